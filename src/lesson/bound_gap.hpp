// What the ELBO of a VAE with two latent dimensions lacks of log p(x), by numerical integration:
//
//   log p(x) = ELBO + KL(q(z|x) || p(z|x))    (Kingma, Welling 2014, eq. 1)
//
// With two dimensions a grid over the latent space is fine enough to integrate p(x|z) p(z), which
// gives log p(x) and the true posterior p(z|x). The ELBO is computed without the grid, so that the
// equation is a check of both.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/latent_model.hpp"

namespace vae_dist::lesson {

/// Per image, in nats: [B], double.
struct BoundGap {
  at::Tensor log_p;  ///< the logarithm of the sum of p(x|z) p(z) over the grid
  at::Tensor elbo;   ///< E_q[log p(x|z)] by Gauss-Hermite quadrature, less KL(q(z|x) || p(z)) in
                     ///< closed form
  at::Tensor kl;     ///< KL(q(z|x) || p(z|x)), summed over the grid
  at::Tensor mean, deviation;  ///< of p(z|x): [B, 2]
  double grid_error = 0;  ///< largest change of log_p if every second line of the grid is left out:
                          ///< above the error of the grid itself

  at::Tensor gap() const { return log_p - elbo; }
};

/// Integrates over all cells of the latent space in which p(z|x) of some image is within 30 nats of
/// its largest value. The grid becomes finer for an image until `grid_error` is below 1e-4 nats,
/// where the error of the grid itself is far below 1e-9, or until a cell (at least 0.08 wide) has
/// 16 x 16 points, or there would be more than 150,000 points. The KL is summed over a grid around
/// the mean of each q(z|x). `model`: in double precision on the CPU, with two latent dimensions and
/// a posterior; used in evaluation mode. `images`: [B, C, H, W], double. Throws std::logic_error
/// for other models.
BoundGap bound_gap(model::LatentModel& model, const at::Tensor& images);

/// p(z|x) and q(z|x) of one image on the pixels of two pictures.
struct PosteriorMaps {
  at::Tensor exact, approximate;  ///< [height, width]: densities as shares of their largest value,
                                  ///< the first dimension to the right, the second upwards
  at::Tensor distance;  ///< [height, width]: from the mean of q(z|x), in its standard deviations
  double width = 0;     ///< of the part of the latent space that is shown
};

/// Draws image `index` of the `images` whose integrals are `gap`. Shows four standard deviations of
/// both posteriors.
PosteriorMaps posterior_maps(model::LatentModel& model, const at::Tensor& images,
                             const BoundGap& gap, std::int64_t index, std::int64_t height,
                             std::int64_t width);

/// The nodes and weights of Gauss-Hermite quadrature for N(0, 1): sum_i weights[i] f(nodes[i]) is
/// E[f] for every polynomial f of degree below 2 * count. From the eigenvalues of the recurrence of
/// Hermite polynomials (Golub, Welsch 1969). Both [count], double.
struct NormalQuadrature {
  at::Tensor nodes, weights;
};
NormalQuadrature normal_quadrature(std::int64_t count);

}  // namespace vae_dist::lesson
