// Grids of a model's images as PNG files.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "evaluate/model_pictures.hpp"

namespace vae_dist {

/// images: [B, C, H, W] in [low, high].
void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images, double low, double high, const std::string& title);

/// Rows of originals, each above the row of its reconstructions.
void write_reconstruction_grid(const std::filesystem::path& path, const Reconstructions& pairs, double low, double high, const std::string& title);

}  // namespace vae_dist
