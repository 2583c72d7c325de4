// What an HDF5 file holds, and how its images are read, in words for people.
#pragma once

#include <string>

#include "data/sample_dataset.hpp"

namespace vae_dist::datasets {

/// A line for each dataset: type, shape, chunks, filters, bytes in the file, class names; and one
/// for each link that leads nowhere.
std::string datasets_of(const hdf5::Hdf5File& file);

/// How training reads these images: what they are taken for, scale, fingerprint, doubts, and
/// whether to convert the file first.
std::string reading_of(const data::SampleDataset& images);

}  // namespace vae_dist::datasets
