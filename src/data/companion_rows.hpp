// What a file says about its images beside them: labels [N], factors [N, F], a row for each image.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image_dataset.hpp"

namespace vae_dist {

struct CompanionRows {
  std::int64_t columns = 1;         ///< F; 1 for labels [N]
  std::vector<double> values;       ///< [samples, columns]; integers up to 2^53 are exact
  std::vector<std::string> names;   ///< attribute `names`: of the columns (factors), or of the classes that labels count; may be empty

  double at(std::int64_t sample, std::int64_t column) const { return values[static_cast<std::size_t>(sample * columns + column)]; }
};

/// Row i belongs to samples[i], an index of [0, images.size()) as for ImageDataset::read, in any order: rows, splits, several files and held-out parts are respected.
/// `path`: a dataset [N] or [N, F] of plain numbers in every file of `images`: "labels", "latents/classes", see ImageDataset::companions(). Blocks of rows that no
/// sample lies in are not read. Throws BadInput naming file and dataset: there is none, it has not a row for each image, its values are no finite numbers, the files' columns or
/// names differ.
CompanionRows read_companion(const ImageDataset& images, const std::string& path, std::span<const std::int64_t> samples);

/// The same for all samples in order.
CompanionRows read_companion(const ImageDataset& images, const std::string& path);

}  // namespace vae_dist
