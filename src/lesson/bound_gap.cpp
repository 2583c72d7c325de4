#include "lesson/bound_gap.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "evaluate/evaluation_mode.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::lesson {
namespace {

const double kHalfLog2Pi = 0.5 * std::log(2 * std::numbers::pi);
constexpr double kReachOfPrior = 6;  // standard deviations: 2e-9 of N(0, I) lies outside
constexpr double kReachOfDraws = 8;  // of q(z|x)
constexpr std::int64_t kLeastLines = 160, kMostLines = 1600;
constexpr double kWantedGridError = 1e-5;      // nats
constexpr std::int64_t kQuadratureNodes = 32;  // per dimension
constexpr std::int64_t kNodesDecodedAtOnce = 4096;

// log N(z; 0, I) of points [n, 2]: [n].
at::Tensor log_prior(const at::Tensor& z) { return -0.5 * z.square().sum(1) - 2 * kHalfLog2Pi; }

// log q(z|x) of points [n, 2] for every image: [B, n].
at::Tensor log_posterior(const model::Posterior& posterior, const at::Tensor& z) {
  const at::Tensor log_var = posterior.log_var.unsqueeze(1);
  const at::Tensor error = z.unsqueeze(0) - posterior.mu.unsqueeze(1);
  return (-0.5 * (error.square() * (-log_var).exp() + log_var) - kHalfLog2Pi).sum(2);
}

// log p(x|z) + log p(z) of points [n, 2] for every image: [B, n].
at::Tensor log_joint(model::LatentModel& model, const at::Tensor& images, const at::Tensor& z) {
  return log_prior(z) - model.likelihood().negative_log_of_pairs(model.decode(z), images);
}

struct Square {
  double half = 0;         // the side runs from -half to half in both dimensions
  std::int64_t lines = 0;  // of the grid, in each dimension

  double step() const { return 2 * half / static_cast<double>(lines - 1); }
};

// Sums over the grid by the trapezoidal rule, which converges faster than any power of the step for
// a smooth function that vanishes at the border.
BoundGap integrals(model::LatentModel& model, const at::Tensor& images,
                   const model::Posterior& posterior, const Square& square) {
  const at::Tensor line = at::linspace(-square.half, square.half, square.lines, at::kDouble);
  const at::Tensor even = (at::arange(square.lines) + 1).remainder(2).to(at::kDouble);
  // The joint densities are far below the smallest double: sums are multiples of exp(largest).
  at::Tensor largest =
      at::full({images.size(0)}, -std::numeric_limits<double>::infinity(), at::kDouble);
  at::Tensor sums = at::zeros({images.size(0), 6}, at::kDouble);
  at::Tensor mass_of_q = at::zeros({images.size(0)}, at::kDouble), excess = mass_of_q.clone();
  for (std::int64_t row = 0; row < square.lines; ++row) {
    const at::Tensor z = at::stack({line, line[row].expand_as(line)}, 1);
    const at::Tensor joint = log_joint(model, images, z), log_q = log_posterior(posterior, z),
                     q = log_q.exp();
    const at::Tensor before = largest;
    largest = at::maximum(largest, joint.amax(1));
    const at::Tensor of_every_second = row % 2 == 0 ? even : at::zeros_like(even);
    const at::Tensor summed =
        at::cat({at::ones_like(z.narrow(1, 0, 1)), z, z.square(), of_every_second.unsqueeze(1)}, 1);
    sums = sums * (before - largest).exp().unsqueeze(1) +
           (joint - largest.unsqueeze(1)).exp().matmul(summed);
    mass_of_q += q.sum(1);
    excess += (q * (log_q - joint)).sum(1);
  }
  const double log_cell = 2 * std::log(square.step()), cell = std::exp(log_cell);
  const at::Tensor total = sums.select(1, 0);
  BoundGap out;
  out.log_p = largest + total.log() + log_cell;
  // A cell between every second line is four times as large.
  const at::Tensor coarse = largest + (4 * sums.select(1, 5)).log() + log_cell;
  out.grid_error = (out.log_p - coarse).abs().max().item<double>();
  out.kl = cell * (excess + mass_of_q * out.log_p);
  out.mean = sums.narrow(1, 1, 2) / total.unsqueeze(1);
  out.deviation =
      (sums.narrow(1, 3, 2) / total.unsqueeze(1) - out.mean.square()).clamp_min(0).sqrt();
  return out;
}

at::Tensor elbo_without_the_grid(model::LatentModel& model, const at::Tensor& images,
                                 const model::Posterior& posterior) {
  const NormalQuadrature rule = normal_quadrature(kQuadratureNodes);
  const std::int64_t nodes = kQuadratureNodes * kQuadratureNodes;
  const at::Tensor noise = at::stack(
      {rule.nodes.repeat_interleave(kQuadratureNodes), rule.nodes.repeat({kQuadratureNodes})}, 1);
  const at::Tensor weights = at::outer(rule.weights, rule.weights).view({nodes, 1});
  std::vector<at::Tensor> expected;
  const std::int64_t at_once = std::max<std::int64_t>(1, kNodesDecodedAtOnce / nodes);
  for (std::int64_t first = 0; first < images.size(0); first += at_once) {
    const std::int64_t count = std::min(at_once, images.size(0) - first);
    const at::Tensor z =
        model::reparameterize({posterior.mu.narrow(0, first, count).unsqueeze(1),
                               posterior.log_var.narrow(0, first, count).unsqueeze(1)},
                              noise.unsqueeze(0));
    const at::Tensor negative_log =
        model.likelihood()
            .negative_log(model.decode(z.reshape({count * nodes, 2})),
                          images.narrow(0, first, count).repeat_interleave(nodes, 0))
            .view({count, nodes});
    expected.push_back(negative_log.matmul(weights).squeeze(1));
  }
  return -at::cat(expected) - objective::kl_per_dimension(posterior.mu, posterior.log_var).sum(1);
}

}  // namespace

NormalQuadrature normal_quadrature(std::int64_t count) {
  const at::Tensor beside = at::arange(1, count, at::kDouble).sqrt();
  const at::Tensor recurrence = at::diag_embed(beside, 1) + at::diag_embed(beside, -1);
  const auto [nodes, vectors] = at::linalg_eigh(recurrence);
  return {nodes, vectors[0].square()};
}

BoundGap bound_gap(model::LatentModel& model, const at::Tensor& images) {
  if (model.latent_kind() != base::LatentKind::posterior || model.latent_values() != 2)
    throw std::logic_error("the grid needs a posterior of two latent dimensions");
  const at::NoGradGuard no_grad;
  const evaluate::EvaluationMode evaluation(model);
  const model::Posterior posterior = model.encode(images);
  const at::Tensor deviation = (0.5 * posterior.log_var).exp();
  Square square;
  square.half = std::max(kReachOfPrior,
                         (posterior.mu.abs() + kReachOfDraws * deviation).max().item<double>());
  square.lines =
      std::clamp(static_cast<std::int64_t>(2 * square.half / deviation.min().item<double>()),
                 kLeastLines, kMostLines);
  BoundGap out = integrals(model, images, posterior, square);
  while (out.grid_error > kWantedGridError && square.lines < kMostLines) {
    square.lines = std::min(kMostLines, 3 * square.lines / 2);
    out = integrals(model, images, posterior, square);
  }
  out.elbo = elbo_without_the_grid(model, images, posterior);
  return out;
}

PosteriorMaps posterior_maps(model::LatentModel& model, const at::Tensor& images,
                             const BoundGap& gap, std::int64_t index, std::int64_t height,
                             std::int64_t width) {
  constexpr double kShownDeviations = 4;
  const at::NoGradGuard no_grad;
  const evaluate::EvaluationMode evaluation(model);
  const at::Tensor image = images.narrow(0, index, 1);
  const model::Posterior posterior = model.encode(image);
  const at::Tensor deviation = (0.5 * posterior.log_var).exp();
  const at::Tensor low = at::minimum(posterior.mu - kShownDeviations * deviation,
                                     gap.mean[index] - kShownDeviations * gap.deviation[index])[0],
                   high = at::maximum(posterior.mu + kShownDeviations * deviation,
                                      gap.mean[index] + kShownDeviations * gap.deviation[index])[0];
  const at::Tensor middle = 0.5 * (low + high), extent = high - low;
  // Both dimensions have the same scale.
  const double pixel = std::max(extent[0].item<double>() / static_cast<double>(width),
                                extent[1].item<double>() / static_cast<double>(height));
  const auto along = [&](std::int64_t pixels, const at::Tensor& centre) {
    return (at::arange(pixels, at::kDouble) - 0.5 * static_cast<double>(pixels - 1)) * pixel +
           centre;
  };
  const at::Tensor across = along(width, middle[0]), up = along(height, middle[1]).flip(0);
  const at::Tensor z = at::stack({across.repeat({height}), up.repeat_interleave(width)}, 1);
  const auto share = [&](const at::Tensor& log_density) {
    return (log_density - log_density.max()).exp().view({height, width});
  };
  std::vector<at::Tensor> joint;
  for (const at::Tensor& part : z.split(kNodesDecodedAtOnce))
    joint.push_back(log_joint(model, image, part)[0]);
  PosteriorMaps out;
  out.exact = share(at::cat(joint));
  out.approximate = share(log_posterior(posterior, z)[0]);
  out.distance = ((z - posterior.mu) / deviation).square().sum(1).sqrt().view({height, width});
  out.width = pixel * static_cast<double>(width);
  return out;
}

}  // namespace vae_dist::lesson
