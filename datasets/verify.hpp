// Every chunk of a file read once: is it whole, and what is in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/numbers.hpp"

namespace vae_dist::datasets {

struct VerifiedDataset {
  std::string path, type, checksum;  ///< checksum: what would have noticed a changed byte
  std::vector<std::int64_t> shape;
  bool image_shaped = false;  ///< three axes or more
  std::int64_t chunks = 0;
  Numbers numbers;
  std::vector<std::string> damage;  ///< "chunk at [64, 0, 0]: its deflate stream is damaged"
  std::string first_not_finite;     ///< "chunk at [64, 0, 0]", where a value is NaN or infinite
  std::string unreadable;  ///< why nothing of it can be read: a missing source, a filter that is
                           ///< not installed; then the rest is empty
  std::string first_out_of_range;  ///< of images: the first value that the scale of the others does
                                   ///< not bring to [0, 1], with its row
};

/// Reads all chunks of all datasets, with a progress bar. threads: 0: one per core. Throws BadInput
/// where the file cannot be opened.
std::vector<VerifiedDataset> verify(const std::string& file, int threads = 0);

}  // namespace vae_dist::datasets
