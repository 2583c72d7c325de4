// HDF5 files of images to one file whose chunks suit training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::datasets {

struct ConvertOptions {
  std::optional<std::string>
      dataset;  ///< the images; empty: the only image-shaped dataset of the first file
  std::int64_t chunk_images = 0;  ///< 0: as chunk_rows_for
  Compression compression;
  std::int64_t memory_bytes = std::int64_t{1} << 30;  ///< rows that are held decoded at a time
  int threads = 0;  ///< 0: one per core. The file is the same for every number
};

struct Converted {
  std::vector<std::int64_t> shape, chunk;                  ///< of the images
  std::uint64_t stored_bytes_before = 0, bytes_after = 0;  ///< whole files
  std::int64_t decodes_of_a_chunk =
      1;  ///< more than once only where the images of one row of chunks do not fit in memory_bytes
  std::vector<std::string> left_out;  ///< datasets and attributes, with the reason
};

/// Writes the images of `in`, one file's after the other's, in chunks of whole images under the
/// name and type that they have. Datasets with a row for each image (labels, factors) go with them;
/// what else a single file holds is kept as it is; attributes are kept from the first file. `out`
/// appears only when complete; an HDF5 file of that name is replaced. Throws BadInput naming file
/// and dataset: unreadable or damaged (with the rows), images or companions of different shapes or
/// types among the files, different names of classes, an `out` that is one of `in` or cannot be
/// written.
Converted convert(const std::vector<std::string>& in, const std::string& out,
                  const ConvertOptions& options);

}  // namespace vae_dist::datasets
