// Judges how a dataset's chunks affect training, and whether to convert the file first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::datasets {

/// How images are distributed over chunks.
struct ChunkFacts {
  std::int64_t images_per_chunk = 0;  ///< 0: not chunked
  std::int64_t chunks_per_image = 1;
  std::int64_t chunk_bytes = 0;
  std::int64_t bytes_for_one = 0;  ///< decoded to read a single image
  std::int64_t images = 0;
};

/// Computes the facts for a dataset of `shape` (images first) with elements of `element_bytes`. An
/// empty `chunk` means that the dataset is not chunked.
ChunkFacts chunk_facts(const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& chunk, std::int64_t element_bytes);

struct ReadingAdvice {
  bool convert = false;
  std::string reason;  ///< a clause: "each image lies in 512 chunks ..."
};

/// Advises whether to convert. `filters` is the list from Hdf5Dataset::filters().
ReadingAdvice reading_advice(const ChunkFacts& facts, const std::string& filters);

}  // namespace vae_dist::datasets
