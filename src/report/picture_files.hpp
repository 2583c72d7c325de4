// Grids of a model's images as PNG files.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "evaluate/latent_walks.hpp"
#include "evaluate/model_pictures.hpp"
#include "plot/image_grid.hpp"

namespace vae_dist::report {

/// images: [B, C, H, W] in [low, high], as bytes.
std::vector<plot::Picture> pictures_of(const at::Tensor& images, double low, double high);

/// images: [B, C, H, W] in [low, high].
void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images, double low,
                       double high, const std::string& title);

/// Rows of originals, each above the row of its reconstructions.
void write_reconstruction_grid(const std::filesystem::path& path,
                               const evaluate::Reconstructions& pairs, double low, double high,
                               const std::string& title);

/// A row a pair: an input, the way between the codes of both (above it how far along), the other
/// input.
void write_interpolation_grid(const std::filesystem::path& path,
                              const evaluate::Interpolations& walks, double low, double high,
                              const std::string& title);

/// A row a dimension, labelled with what it says ("z12  KL 3.4 nats"), a column a place ("-3", or
/// "0.01 quantile").
void write_traversal_grid(const std::filesystem::path& path, const evaluate::Traversals& walks,
                          double low, double high, const std::string& title);

/// What one model of a comparison makes, [B, C, H, W] in [0, 1]. `reconstructions` undefined: it
/// has no encoder.
struct ComparedImages {
  std::string name;
  at::Tensor reconstructions, samples;
};

/// The inputs ([B, C, H, W] in [0, 1]; undefined: none), each model's reconstructions of them, then
/// samples of each.
void write_comparison_grid(const std::filesystem::path& path, const at::Tensor& inputs,
                           const std::vector<ComparedImages>& models, const std::string& title);

}  // namespace vae_dist::report
