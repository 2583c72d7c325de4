// Imports pictures from numpy's .npz format, such as dSprites, into an HDF5 file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::datasets {

struct ImportNpzOptions {
  std::optional<std::string>
      labels;  ///< key of the array that becomes `labels`, with one row per picture
  Compression compression;
  int threads = 0;  ///< 0: one per core. The output does not depend on it
  std::int64_t memory_bytes = std::int64_t{512}
                              << 20;  ///< limit for rows gathered from a Fortran-ordered array
};

struct ImportedArray {
  std::string dataset, type;  ///< as written: "imgs", "uint8"
  std::vector<std::int64_t> shape;
};

/// Streams the array `key` ([N, H, W], [N, H, W, C] or [N, C, H, W], C or Fortran order) to `imgs`:
/// booleans and integers as uint8, floats as float32. The factors of dSprites are kept if they have
/// one row per picture: `latents_values` as `latents/values` (float64) and `latents_classes` as
/// `latents/classes` (int64); for dSprites itself (737280 rows of 6) with the factors' names as
/// attribute `names`. `out` is created only when it is complete and replaces an HDF5 file of that
/// name. Memory is bounded for any file size. Throws BadInput, naming the file and the member, if
/// ZipArchive or NpyArray does, if the shape is not that of pictures or is empty, if the number of
/// labels differs, if integer pictures are outside 0 to 255, or if `out` cannot be written.
std::vector<ImportedArray> import_npz(const std::string& file, const std::string& key,
                                      const std::string& out, const ImportNpzOptions& options);

}  // namespace vae_dist::datasets
