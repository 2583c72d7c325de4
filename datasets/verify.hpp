// Reads every chunk of an HDF5 file once, to detect damage and to collect value statistics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/numbers.hpp"

namespace vae_dist::datasets {

struct VerifiedDataset {
  std::string path, type, checksum;  ///< checksum: see StoredDataset::checksum
  std::vector<std::int64_t> shape;
  bool image_shaped = false;  ///< three axes or more
  std::int64_t chunks = 0;
  Numbers numbers;
  std::vector<std::string> damage;  ///< "chunk at [64, 0, 0]: its deflate stream is damaged"
  std::string first_not_finite;     ///< first place with a NaN or infinity: "chunk at [64, 0, 0]"
  std::string unreadable;  ///< why the dataset cannot be read at all: a missing source, a filter
                           ///< that is not installed; the other fields are then empty
  std::string first_out_of_range;  ///< for images: the first value that the scale does not bring to
                                   ///< [0, 1], with its row
};

/// Reads all chunks of all datasets, with a progress bar. `threads` 0 means one per core. Throws
/// BadInput if the file cannot be opened.
std::vector<VerifiedDataset> verify(const std::string& path, int threads = 0);

}  // namespace vae_dist::datasets
