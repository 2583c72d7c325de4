// Where a verb's images go: a labelled grid (.png) or their values (.h5), by the file's ending.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace vae_dist {

enum class OutputKind { png, hdf5 };

/// Throws BadInput for any other ending.
OutputKind output_kind(const std::string& path);

/// Each tensor [N, C, H, W] as float32 dataset under its name.
void write_images_hdf5(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& images);

}  // namespace vae_dist
