// Two estimators of the gradient of E_q[log p(x|z)] with respect to the encoder's parameters phi,
// on the same network and the same draws z = mu + sigma * eps:
//
//   reparameterised   d/dphi log p(x | mu + sigma * eps)   (Kingma, Welling 2014, section 2.4)
//   score function    log p(x|z) d/dphi log q(z|x)         (Williams 1992, REINFORCE)
//
// Both have the same mean. The score function's may have a baseline subtracted from log p(x|z):
// here the mean over the other draws, which leaves the mean as it is (Kool et al. 2019).
#pragma once

#include <string>
#include <vector>

#include "model/latent_model.hpp"

namespace vae_dist::lesson {

/// An estimator of the gradient, from single draws.
struct GradientEstimator {
  std::string name;
  double length = 0;    ///< of the mean gradient over all draws
  double variance = 0;  ///< of one draw, summed over the encoder's parameters

  /// Difference between this mean and the reparameterised one: its length in units of its standard
  /// error, and the share of parameters whose two means differ by less than two standard errors.
  /// Expected by chance: about 1 and 0.95. Of the first estimator 0 and 1.
  double difference = 0, share_within_two_errors = 1;

  /// The mean over the first counts[i] draws, and its standard error, of the component with the
  /// largest reparameterised gradient.
  std::vector<double> component, component_error;
};

struct GradientNoise {
  std::int64_t draws = 0, images = 0, parameters = 0;
  std::vector<double> counts;  ///< growing numbers of draws
  /// The reparameterised one, the score function, the score function with a baseline.
  std::vector<GradientEstimator> estimators;
};

/// Compares the estimators on a batch, whose gradients are averaged over its images. `model`: in
/// double precision on the CPU, with a posterior; used in evaluation mode. `images`: [B, C, H, W],
/// double. The draws depend on `seed` alone.
GradientNoise gradient_noise(model::LatentModel& model, const at::Tensor& images,
                             std::int64_t draws, std::uint64_t seed);

}  // namespace vae_dist::lesson
