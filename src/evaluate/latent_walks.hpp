// Walks through latent space: between the codes of two images, and along single dimensions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

enum class Path {
  linear,
  spherical,  ///< Shoemake 1985, "Animating Rotation with Quaternion Curves", section 3.3, in any
              ///< dimension: where a Gaussian of many dimensions lies, far from the origin
};

/// [steps, L] from `from` to `to` ([L] each), both included, with the bits of both; steps >= 2.
/// Spherical paths of (nearly) parallel vectors are linear.
at::Tensor latent_path(const at::Tensor& from, const at::Tensor& to, std::int64_t steps, Path path);

using RowPair = std::pair<std::int64_t, std::int64_t>;

struct Interpolations {
  at::Tensor originals;  ///< [P, 2, C, H, W] on the host: the images at the ends
  at::Tensor images;     ///< [P, steps, C, H, W]
  at::Tensor z;          ///< [P, steps, L]
};

/// Between the posterior means of the two samples of each pair. The model has an encoder.
Interpolations interpolate(model::LatentModel& model, const data::SampleDataset& dataset,
                           const std::vector<RowPair>& pairs, std::int64_t steps, Path path,
                           const data::InputFormat& format);

/// Which values a dimension takes on its way. Equally spaced in standard deviations of the prior,
/// [-deviations, deviations], or (`quantile` set) in quantiles of the aggregate posterior,
/// [quantile, 1 - quantile]: of draws of q(z|x) for the samples looked at.
struct TraversalRange {
  static constexpr double kOutermost = 0.01;  ///< the usual quantile

  double deviations = 3;
  std::optional<double> quantile;
};

struct TraversalOptions {
  std::int64_t row = 0;          ///< the sample whose code is the starting point
  std::int64_t dimensions = 10;  ///< so many at most
  std::int64_t steps = 9;
  TraversalRange range;
  std::int64_t samples_looked_at =
      2000;                ///< the first so many rank the dimensions and give the quantiles
  std::uint64_t seed = 0;  ///< of the draws
};

/// What is shown of a model without being asked: from sample 0, over the prior's range, or (a point
/// has no prior) that of the codes.
TraversalOptions usual_traversal(const model::LatentModel& model, std::int64_t dimensions,
                                 std::uint64_t seed);

/// D dimensions, those first that say most of the images.
struct Traversals {
  std::vector<std::int64_t> dimensions;
  std::vector<double> weights;  ///< KL in nats, mean over samples; of a point, which has none, the
                                ///< variance of its codes
  std::vector<double> places;   ///< of the columns: standard deviations, or quantiles
  at::Tensor values;            ///< [D, steps]: z of the dimension
  at::Tensor images;            ///< [D, steps, C, H, W] on the host
  bool in_nats = true;          ///< whether `weights` are
  bool in_quantiles = false;    ///< whether `places` are
};

/// Each image is decoded from the posterior mean of `row` with one dimension set to another value.
/// The model has an encoder; a point's range is in quantiles.
Traversals traverse(model::LatentModel& model, const data::SampleDataset& dataset,
                    const data::InputFormat& format, const TraversalOptions& options);

}  // namespace vae_dist::evaluate
