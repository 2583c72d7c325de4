// Grids of a model's images as PNG files.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "evaluate/latent_walks.hpp"
#include "evaluate/model_pictures.hpp"
#include "plot/image_grid.hpp"
#include "report/sample_pictures.hpp"

namespace vae_dist::report {

/// Writes a grid of samples [B, C, space...].
void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images, Shades shades,
                       const std::string& title);

/// Writes rows of originals, each above the row of its reconstructions.
void write_reconstruction_grid(const std::filesystem::path& path,
                               const evaluate::Reconstructions& pairs, Shades shades,
                               const std::string& title);

/// Writes a row per pair: one input, the path between the codes of both (labelled with the fraction
/// of the way), and the other input.
void write_interpolation_grid(const std::filesystem::path& path,
                              const evaluate::Interpolations& walks, Shades shades,
                              const std::string& title);

/// Writes a row per dimension, labelled with its information ("z12  KL 3.4 nats"), and a column per
/// position ("-3", or "0.01 quantile").
void write_traversal_grid(const std::filesystem::path& path, const evaluate::Traversals& walks,
                          Shades shades, const std::string& title);

/// The images of one model in a comparison, [B, C, H, W] in [0, 1]. `reconstructions` is undefined
/// if the model has no encoder.
struct ComparedImages {
  std::string name;
  at::Tensor reconstructions, samples;
};

/// Writes the inputs ([B, C, H, W] in [0, 1]; undefined: none), each model's reconstructions of
/// them, then samples of each.
void write_comparison_grid(const std::filesystem::path& path, const at::Tensor& inputs,
                           const std::vector<ComparedImages>& models, const std::string& title);

}  // namespace vae_dist::report
