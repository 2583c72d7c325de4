// Pictures in numpy's .npz to HDF5, dSprites' among them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::datasets {

struct ImportNpzOptions {
  std::optional<std::string>
      labels;  ///< key of an array with a row for each picture, which becomes `labels`
  Compression compression;
  int threads = 0;  ///< 0: one per core. The file is the same for every number
  std::int64_t memory_bytes = std::int64_t{512}
                              << 20;  ///< rows of a Fortran-ordered array gathered together
};

struct ImportedArray {
  std::string dataset, type;  ///< as written: "imgs", "uint8"
  std::vector<std::int64_t> shape;
};

/// Streams the array `key` ([N, H, W], [N, H, W, C] or [N, C, H, W], C or Fortran order) to `imgs`:
/// booleans and integers as uint8, floats as float32. What dSprites has beside its pictures is kept
/// where there is a row for each picture: `latents_values` as `latents/values` (float64) and
/// `latents_classes` as `latents/classes` (int64); of dSprites itself (737280 rows of 6) with the
/// factors' names as attribute `names`. `out` appears only when complete; an HDF5 file of that name
/// is replaced. Memory stays bounded whatever the size. Throws BadInput naming file and member:
/// what ZipArchive and NpyArray refuse, shapes that are no pictures, none at all, labels of another
/// count, integer pictures outside of 0 to 255, an `out` that cannot be written.
std::vector<ImportedArray> import_npz(const std::string& file, const std::string& key,
                                      const std::string& out, const ImportNpzOptions& options);

}  // namespace vae_dist::datasets
