// Imports a folder of JPEG and PNG pictures into an HDF5 file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"
#include "datasets/fit_picture.hpp"
#include "datasets/picture_folder.hpp"

namespace vae_dist::datasets {

struct ImportImagesOptions {
  FitOptions fit;
  std::uint8_t background = 255;  ///< under transparent pixels: 0 black, 255 white
  ClassFolders classes = ClassFolders::outermost;
  bool skip_broken = false;  ///< true: leave out and report unreadable pictures; false: the first
                             ///< one aborts the import
  Compression compression;
  int threads = 0;  ///< 0: one per core. The output does not depend on it
};

struct ImportedImages {
  std::vector<std::int64_t> shape;   ///< of `imgs`
  std::vector<std::string> classes;  ///< empty: no labels
  std::vector<std::string> skipped;  ///< "name: reason", in picture order
  std::int64_t enlarged = 0;         ///< pictures that were smaller than FitOptions::size
  bool all_grey = true;              ///< each picture has one channel
  std::int64_t others = 0;           ///< files without a picture's extension
  std::string first_other;
  std::string merged;  ///< an inner folder without a class of its own (PictureFolder::merged)
};

/// Writes `imgs` (uint8 [N, H, W, 3], or [N, H, W] for grey) and, if the pictures lie in
/// sub-folders, `labels` (uint8 [N], or int64 for more than 256 classes) with the sub-folders'
/// names as attribute `names`. Keeps the order of list_pictures, works in parallel and shows a
/// progress bar. `out` is created only when it is complete and replaces an HDF5 file of that name.
/// Throws BadInput if list_pictures does, if a picture is broken (unless skipped) or all of them
/// are, if sizes differ and FitOptions::size is not given, or if `out` cannot be written.
ImportedImages import_images(const std::string& folder, const std::string& out,
                             const ImportImagesOptions& options);

}  // namespace vae_dist::datasets
