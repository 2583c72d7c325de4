// A folder of JPEG and PNG pictures to HDF5.
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
  bool skip_broken = false;  ///< leave out pictures that cannot be read, naming each; otherwise the
                             ///< first ends the import
  Compression compression;
  int threads = 0;  ///< 0: one per core. The file is the same for every number
};

struct ImportedImages {
  std::vector<std::int64_t> shape;   ///< of `imgs`
  std::vector<std::string> classes;  ///< empty: no labels
  std::vector<std::string> skipped;  ///< "name: reason", in the order of the pictures
  std::int64_t enlarged = 0;         ///< pictures that were smaller than FitOptions::size
  bool all_grey = true;              ///< each picture has one channel
  std::int64_t others = 0;           ///< files that are no pictures by their names
  std::string first_other;
  std::string merged;  ///< an inner folder that is no class of its own (PictureFolder::merged)
};

/// Writes `imgs` (uint8 [N, H, W, 3], or [N, H, W] for grey) and, where the pictures lie in
/// sub-folders, `labels` (uint8 [N], or int64 for more than 256 classes) with the sub-folders'
/// names as attribute `names`: in the order of list_pictures, in parallel, with a progress bar.
/// `out` appears only when complete; an HDF5 file of that name is replaced. Throws BadInput: what
/// list_pictures refuses, a broken picture (unless skipped; also when none is left), pictures of
/// different sizes without FitOptions::size, an `out` that cannot be written.
ImportedImages import_images(const std::string& folder, const std::string& out,
                             const ImportImagesOptions& options);

}  // namespace vae_dist::datasets
