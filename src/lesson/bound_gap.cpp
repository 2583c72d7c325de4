#include "lesson/bound_gap.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "model/evaluation_mode.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::lesson {
namespace {

const double kHalfLog2Pi = 0.5 * std::log(2 * std::numbers::pi);
constexpr double kReachOfPrior = 6;  // standard deviations: 2e-9 of N(0, I) lies outside
constexpr double kReachOfDraws = 8;  // of q(z|x)
constexpr double kLargestReach = 8;
constexpr std::int64_t kLinesOfDraws = 41;                  // of the grid around the mean of q(z|x)
constexpr double kLeastSide = 0.08, kLargestSide = 0.1;     // of a cell
constexpr double kNegligible = 30;                          // nats below the largest density
constexpr std::int64_t kLeastPoints = 2, kMostPoints = 16;  // of a cell's side
constexpr double kWantedGridError = 1e-4;                   // nats
constexpr std::int64_t kMostPointsInAll = 150'000;
constexpr std::int64_t kPointsAtOnce = 1024;
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

// A coarse grid, and in which of its cells the true posterior of each image is not negligible.
struct Cells {
  at::Tensor line;    // [lines], the lower left corners of the cells along each dimension
  at::Tensor counts;  // [B, lines, lines], bool: image, second dimension, first dimension
  double side = 0;

  // The lower left corners, [cells, 2], of the cells that count for some of `images`. A density may
  // count between points where it does not, so neighbours are included.
  at::Tensor corners(const at::Tensor& images) const {
    const at::Tensor any = counts.index_select(0, images).any(0).to(at::kFloat);
    const at::Tensor places = at::max_pool2d(any.unsqueeze(0), {3, 3}, {1, 1}, {1, 1})[0].nonzero();
    return at::stack(
        {line.index_select(0, places.select(1, 1)), line.index_select(0, places.select(1, 0))}, 1);
  }
};

// Looks for the cells in a square that holds the prior and, as far as they lie near it, every
// q(z|x).
Cells cells_that_count(model::LatentModel& model, const at::Tensor& images,
                       const model::Posterior& posterior) {
  const at::Tensor deviation = (0.5 * posterior.log_var).exp();
  const double half =
      std::clamp((posterior.mu.abs() + kReachOfDraws * deviation).max().item<double>(),
                 kReachOfPrior, kLargestReach);
  Cells out;
  out.side = std::clamp(deviation.min().item<double>(), kLeastSide, kLargestSide);
  const auto lines = static_cast<std::int64_t>(std::ceil(2 * half / out.side)) + 1;
  out.line = (at::arange(lines, at::kDouble) - 0.5 * static_cast<double>(lines - 1)) * out.side;
  std::vector<at::Tensor> rows;
  for (std::int64_t row = 0; row < lines; ++row)
    rows.push_back(
        log_joint(model, images, at::stack({out.line, out.line[row].expand_as(out.line)}, 1)));
  const at::Tensor joint = at::stack(rows, 1);  // [B, lines, lines]
  out.counts = joint > joint.amax({1, 2}, /*keepdim=*/true) - kNegligible;
  return out;
}

// Calls `look` with the points of `points` x `points` to a cell, [n, 2], and which of them remain
// without every second line, [n, 1].
template <typename Look>
void for_all_points(const at::Tensor& corners, double side, std::int64_t points, Look look) {
  const at::Tensor inside = at::arange(points, at::kDouble) * (side / static_cast<double>(points));
  const at::Tensor offsets =
      at::stack({inside.repeat({points}), inside.repeat_interleave(points)}, 1);
  const at::Tensor every_second = 1 - at::arange(points, at::kDouble).remainder(2);
  const at::Tensor remains = at::outer(every_second, every_second).view({-1, 1});
  const std::int64_t at_once = std::max<std::int64_t>(1, kPointsAtOnce / (points * points));
  for (const at::Tensor& part : corners.split(at_once))
    look((part.unsqueeze(1) + offsets.unsqueeze(0)).view({-1, 2}),
         remains.repeat({part.size(0), 1}));
}

double area_of_a_point(double side, std::int64_t points) {
  return side * side / static_cast<double>(points * points);
}

// Per image: [n], [n, 2], [n, 2], [n].
struct Integrals {
  at::Tensor log_p, mean, deviation, error;
};

// A sum over a grid is the trapezoidal rule, which converges faster than any power of the step for
// a smooth function that vanishes at the border.
Integrals integrals(model::LatentModel& model, const at::Tensor& images, const at::Tensor& corners,
                    double side, std::int64_t points) {
  // The joint densities are far below the smallest double: sums are multiples of exp(largest).
  at::Tensor largest =
      at::full({images.size(0)}, -std::numeric_limits<double>::infinity(), at::kDouble);
  at::Tensor sums = at::zeros({images.size(0), 6}, at::kDouble);
  for_all_points(corners, side, points, [&](const at::Tensor& z, const at::Tensor& even) {
    const at::Tensor joint = log_joint(model, images, z), before = largest;
    largest = at::maximum(largest, joint.amax(1));
    const at::Tensor summed = at::cat({at::ones_like(even), z, z.square(), even}, 1);
    sums = sums * (before - largest).exp().unsqueeze(1) +
           (joint - largest.unsqueeze(1)).exp().matmul(summed);
  });
  const double area = area_of_a_point(side, points);
  const at::Tensor total = sums.select(1, 0);
  Integrals out;
  out.log_p = largest + total.log() + std::log(area);
  // Every second line leaves a quarter of the points, each for four times the area.
  out.error = (out.log_p - largest - sums.select(1, 5).log() - std::log(4 * area)).abs();
  out.mean = sums.narrow(1, 1, 2) / total.unsqueeze(1);
  out.deviation =
      (sums.narrow(1, 3, 2) / total.unsqueeze(1) - out.mean.square()).clamp_min(0).sqrt();
  return out;
}

// Sets log_p, mean, deviation and grid_error. Only images that need it get a finer grid, because
// the cells of the others may be many.
BoundGap integrals_of_p(model::LatentModel& model, const at::Tensor& images, const Cells& cells) {
  at::Tensor open = at::arange(images.size(0));
  Integrals all = integrals(model, images, cells.corners(open), cells.side, kLeastPoints);
  for (std::int64_t points = 2 * kLeastPoints; points <= kMostPoints; points *= 2) {
    open = (all.error > kWantedGridError).nonzero().squeeze(1);
    if (open.numel() == 0) break;
    const at::Tensor corners = cells.corners(open);
    if (corners.size(0) * points * points > kMostPointsInAll) break;
    const Integrals finer =
        integrals(model, images.index_select(0, open), corners, cells.side, points);
    all.log_p.index_copy_(0, open, finer.log_p);
    all.mean.index_copy_(0, open, finer.mean);
    all.deviation.index_copy_(0, open, finer.deviation);
    all.error.index_copy_(0, open, finer.error);
  }
  return {.log_p = all.log_p,
          .elbo = {},
          .kl = {},
          .mean = all.mean,
          .deviation = all.deviation,
          .grid_error = all.error.max().item<double>()};
}

// The mean under q(z|x), [B], of `value`(q of some images, z, noise, log p(x|z)), [images, nodes].
// z = mu + sigma * noise, with the rule's nodes and weights in both dimensions of the noise.
template <typename Value>
at::Tensor expectation(model::LatentModel& model, const at::Tensor& images,
                       const model::Posterior& posterior, const NormalQuadrature& rule,
                       Value value) {
  const std::int64_t lines = rule.nodes.size(0), nodes = lines * lines;
  const at::Tensor noise =
      at::stack({rule.nodes.repeat_interleave(lines), rule.nodes.repeat({lines})}, 1);
  const at::Tensor weights = at::outer(rule.weights, rule.weights).view({nodes, 1});
  std::vector<at::Tensor> expected;
  const std::int64_t at_once = std::max<std::int64_t>(1, kNodesDecodedAtOnce / nodes);
  for (std::int64_t first = 0; first < images.size(0); first += at_once) {
    const std::int64_t count = std::min(at_once, images.size(0) - first);
    const model::Posterior part{posterior.mu.narrow(0, first, count).unsqueeze(1),
                                posterior.log_var.narrow(0, first, count).unsqueeze(1)};
    const at::Tensor z = model::reparameterize(part, noise.unsqueeze(0));
    const at::Tensor log_p =
        -model.likelihood()
             .negative_log(model.decode(z.reshape({count * nodes, 2})),
                           images.narrow(0, first, count).repeat_interleave(nodes, 0))
             .view({count, nodes});
    expected.push_back(value(part, z, noise, log_p).matmul(weights).squeeze(1));
  }
  return at::cat(expected);
}

// KL(q(z|x) || p(z|x)) of every image: the mean of log q - log p(x, z) + log p(x) on an even grid
// around the mean of q.
at::Tensor kl_to_the_true_posterior(model::LatentModel& model, const at::Tensor& images,
                                    const model::Posterior& posterior, const at::Tensor& log_p) {
  const at::Tensor line = at::linspace(-kReachOfDraws, kReachOfDraws, kLinesOfDraws, at::kDouble);
  const double step = 2 * kReachOfDraws / static_cast<double>(kLinesOfDraws - 1);
  const at::Tensor density = (-0.5 * line.square() - kHalfLog2Pi).exp();
  return expectation(model, images, posterior, {line, density * step},
                     [](const model::Posterior& q, const at::Tensor& z, const at::Tensor& noise,
                        const at::Tensor& log_likelihood) {
                       const at::Tensor log_q =
                           -0.5 * (noise.square().unsqueeze(0) + q.log_var).sum(2);
                       const at::Tensor log_prior = -0.5 * z.square().sum(2);
                       return log_q - log_prior - log_likelihood;  // without equal constants
                     }) +
         log_p;
}

at::Tensor elbo_without_the_grid(model::LatentModel& model, const at::Tensor& images,
                                 const model::Posterior& posterior) {
  return expectation(model, images, posterior, normal_quadrature(kQuadratureNodes),
                     [](const model::Posterior&, const at::Tensor&, const at::Tensor&,
                        const at::Tensor& log_likelihood) { return log_likelihood; }) -
         objective::kl_per_dimension(posterior.mu, posterior.log_var).sum(1);
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
  const model::EvaluationMode evaluation(model);
  const model::Posterior posterior = model.encode(images);
  const Cells cells = cells_that_count(model, images, posterior);
  BoundGap out = integrals_of_p(model, images, cells);
  out.kl = kl_to_the_true_posterior(model, images, posterior, out.log_p);
  out.elbo = elbo_without_the_grid(model, images, posterior);
  return out;
}

PosteriorMaps posterior_maps(model::LatentModel& model, const at::Tensor& images,
                             const BoundGap& gap, std::int64_t index, std::int64_t height,
                             std::int64_t width) {
  constexpr double kShownDeviations = 4;
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
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
