// The format of The Well: which groups, datasets and attributes a file of trajectories has
// (https://github.com/PolymathicAI/the_well, docs/data_format.md).
#pragma once

#include <cstdint>
#include <vector>

#include "hdf5/file.hpp"
#include "synthetic/gaussian_fields.hpp"

namespace vae_dist::synthetic {

/// Writes everything but the values of the fields, whose datasets it creates and returns, in the
/// order of the channels. chunk_frames: frames of one trajectory in a chunk; 0: contiguous.
std::vector<hdf5::Hdf5Dataset> create_the_well_file(hdf5::Hdf5File& file,
                                                    const FieldsOptions& options,
                                                    std::int64_t chunk_frames);

}  // namespace vae_dist::synthetic
