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

/// Writes a grid of samples [B, C, space...]. Like all of these, in the range or the model's values
/// that `showing` describes.
void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images,
                       const Showing& showing, const std::string& title);

/// Writes rows of originals, each above the row of its reconstructions; of curves both lie in one
/// panel.
void write_reconstruction_grid(const std::filesystem::path& path,
                               const evaluate::Reconstructions& pairs, const Showing& showing,
                               const std::string& title);

/// Writes a row per pair: one input, the path between the codes of both (labelled with the fraction
/// of the way), and the other input. Of fields each part is a row; curves lie in one panel,
/// coloured by the fraction.
void write_interpolation_grid(const std::filesystem::path& path,
                              const evaluate::Interpolations& walks, const Showing& showing,
                              const std::string& title);

/// Writes a row per dimension, labelled with its information ("z12  KL 3.4 nats"), and a column per
/// position ("-3", or "0.01 quantile"). Fields and curves as above.
void write_traversal_grid(const std::filesystem::path& path, const evaluate::Traversals& walks,
                          const Showing& showing, const std::string& title);

/// The samples of one model in a comparison, [B, C, space...]; undefined if the model cannot sample
/// its prior. `reconstructions` is undefined if
/// the model has no encoder.
struct ComparedImages {
  std::string name;
  at::Tensor reconstructions, samples;
};

/// Writes the inputs (undefined: none), each model's reconstructions of them, then samples of each.
void write_comparison_grid(const std::filesystem::path& path, const at::Tensor& inputs,
                           const std::vector<ComparedImages>& models, const Showing& showing,
                           const std::string& title);

}  // namespace vae_dist::report
