// Walks through latent space: between the codes of two images, and along single dimensions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

enum class Path {
  linear,
  spherical,  ///< Shoemake 1985, "Animating Rotation with Quaternion Curves", section 3.3, in any
              ///< dimension: stays where a high-dimensional Gaussian has its mass, far from the
              ///< origin
};

/// Returns [steps, L] points from `from` to `to` ([L] each), including both ends bit for bit; steps
/// >= 2. Spherical paths between (nearly) parallel vectors are linear.
at::Tensor latent_path(const at::Tensor& from, const at::Tensor& to, std::int64_t steps, Path path);

using RowPair = std::pair<std::int64_t, std::int64_t>;

struct Interpolations {
  at::Tensor originals;  ///< [P, 2, C, H, W] on the CPU: the images at the ends
  at::Tensor images;     ///< [P, steps, C, H, W]
  at::Tensor z;          ///< [P, steps, L]
};

/// Interpolates between the posterior means of the two samples of each pair. The model must have an
/// encoder. `condition`: that under which all is decoded, [1, Y]; undefined: the samples' own, on a
/// straight line from one to the other.
Interpolations interpolate(model::LatentModel& model, const data::SampleDataset& dataset,
                           const std::vector<RowPair>& pairs, std::int64_t steps, Path path,
                           const data::InputFormat& format, const at::Tensor& condition = {});

/// The values that a dimension takes along a traversal: equally spaced in standard deviations of
/// the prior, [-deviations, deviations], or (`quantile` set) in quantiles of the aggregate
/// posterior, [quantile, 1 - quantile]. The aggregate posterior is made of draws of q(z|x) for the
/// first samples.
struct TraversalRange {
  static constexpr double kOutermost = 0.01;  ///< the default quantile

  double deviations = 3;
  std::optional<double> quantile;
};

struct TraversalOptions {
  std::int64_t row = 0;          ///< the sample whose code is the starting point
  std::int64_t dimensions = 10;  ///< at most this many
  std::int64_t steps = 9;
  TraversalRange range;
  std::int64_t examined_samples =
      2000;                ///< the first samples, which rank the dimensions and give the quantiles
  std::uint64_t seed = 0;  ///< of the draws
  at::Tensor condition = {};  ///< under which all is decoded, [1, Y]; undefined: that of `row`
};

/// Returns the options of a traversal that is shown without being requested: from sample 0, over
/// the prior's range, or over that of the codes for a point latent, which has no prior.
TraversalOptions usual_traversal(const model::LatentModel& model, std::int64_t dimensions,
                                 std::uint64_t seed);

/// Traversals of D dimensions, the most informative ones first. Of a quantized latent: of its
/// vectors, each of which takes the codes that are its most frequent ones.
struct Traversals {
  enum class Of { posteriors, points, codes };

  Of of = Of::posteriors;
  std::vector<std::int64_t> dimensions;
  std::vector<double> weights;    ///< KL in nats, mean over samples; of points the variance, and of
                                  ///< codes their entropy in nats
  std::vector<double> positions;  ///< of the columns: standard deviations, quantiles, or ranks of
                                  ///< codes, from 1 on
  at::Tensor values;              ///< [D, steps]: z of the dimension, or the number of the code
  at::Tensor images;              ///< [D, steps, C, H, W] on the CPU
  bool in_quantiles = false;      ///< whether `positions` are quantiles
};

/// Says what the positions are: "standard deviations of the prior".
std::string unit_of(const Traversals& walks);

/// Decodes each image from the posterior mean of `row` with one dimension set to another value. The
/// model must have an encoder; the range of a point latent must be in quantiles, and that of a
/// quantized one has no effect.
Traversals traverse(model::LatentModel& model, const data::SampleDataset& dataset,
                    const data::InputFormat& format, const TraversalOptions& options);

}  // namespace vae_dist::evaluate
