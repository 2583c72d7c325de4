// Merges HDF5 files of images into one file whose chunks suit training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::datasets {

struct ConvertOptions {
  std::optional<std::string>
      dataset;  ///< holds the images; nullopt: the only image-shaped dataset of the first file
  std::int64_t chunk_images = 0;  ///< 0: as chunk_rows_for
  Compression compression;
  std::int64_t memory_bytes = std::int64_t{1} << 30;  ///< limit for rows that are held decoded
  int threads = 0;  ///< 0: one per core. The output does not depend on it
};

struct Converted {
  std::vector<std::int64_t> shape, chunk;                  ///< of the images
  std::uint64_t stored_bytes_before = 0, bytes_after = 0;  ///< whole files
  std::int64_t max_decodes_per_chunk =
      1;  ///< above 1 only if the images of one row of chunks do not fit in memory_bytes
  std::vector<std::string> left_out;  ///< datasets and attributes not copied, with the reason
};

/// Concatenates the images of all files in `in` and writes them in chunks of whole images, under
/// the same dataset name and with the same type. Datasets with one row per image (labels, factors)
/// are concatenated too. All other datasets are copied unchanged if `in` is a single file.
/// Attributes come from the first file. `out` is created only when it is complete and replaces an
/// HDF5 file of that name. Throws BadInput, naming the file and the dataset, if an input is
/// unreadable or damaged (also naming the rows), if images or annotations differ in shape or type
/// between files, if class names differ, or if `out` is one of `in` or cannot be written.
Converted convert(const std::vector<std::string>& in, const std::string& out,
                  const ConvertOptions& options);

}  // namespace vae_dist::datasets
