// Human-readable descriptions of an HDF5 file's datasets and of how its images are read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/sample_dataset.hpp"

namespace vae_dist::datasets {

/// Returns a line for each dataset (type, shape, chunks, filters, bytes in the file, class names)
/// and a line for each dangling link.
std::string datasets_of(const hdf5::Hdf5File& file);
/// Returns the same: `datasets`, a list, and `dangling_links`.
nlohmann::ordered_json datasets_json(const hdf5::Hdf5File& file);

/// Describes how training reads these images: their interpretation, scale, fingerprint, doubts, and
/// whether to convert the file first.
std::string reading_of(const data::SampleDataset& images);
/// Returns the same as an object.
nlohmann::ordered_json reading_json(const data::SampleDataset& images);

}  // namespace vae_dist::datasets
