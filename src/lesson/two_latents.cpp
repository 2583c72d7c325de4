#include "lesson/two_latents.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/keyed_noise.hpp"
#include "model/evaluation_mode.hpp"
#include "objective/importance_weights.hpp"
#include "step/make_model.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kShownPosteriors = 4;   // of the best images and of the worst
constexpr std::int64_t kFollowedImages = 16;   // while training
constexpr std::int64_t kWeightedDraws = 4096;  // an image, divided into estimates of K draws
constexpr std::int64_t kGradientImages = 16, kGradientDraws = 2048;
constexpr std::int64_t kTypicalPicture = 96;  // pixels, of a map

// Returns a copy in double precision on the CPU. Its sums of a thousand nats are exact enough.
std::shared_ptr<model::LatentModel> copy_in_double(config::Config config,
                                                   const arrays::SampleShape& shape,
                                                   const model::LatentModel& from) {
  config.train.precision = config::Precision::fp64;
  std::shared_ptr<model::LatentModel> out = step::make_model(config, shape);
  const at::NoGradGuard no_grad;
  const parallel::NamedTensors source = step::named_state(from), target = step::named_state(*out);
  for (std::size_t i = 0; i < target.size(); ++i) {
    at::Tensor tensor = target[i].second;
    tensor.copy_(source[i].second);
  }
  return out;
}

double mean_of(const at::Tensor& nats) { return nats.mean().item<double>(); }

// Returns log w_k of every image and draw: [B, draws]. Draws of one image do not depend on how many
// there are of others.
at::Tensor log_weights_of(model::LatentModel& model, const at::Tensor& images, std::int64_t draws,
                          std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const at::Tensor image = images.narrow(0, i, 1);
    const model::Posterior posterior = model.encode(image);
    const at::Tensor noise =
        evaluate::keyed_noise(model, base::Purpose::evaluation, seed, i * draws, draws)
            .unsqueeze(0);
    const at::Tensor z = model::reparameterize(
        {posterior.mu.unsqueeze(1), posterior.log_var.unsqueeze(1)}, noise)[0];
    rows.push_back(objective::log_importance_weights(
        posterior, noise, model.likelihood().negative_log_of_pairs(model.decode(z), image)));
  }
  return at::cat(rows);
}

// The importance-weighted bound of each image, [B]: the mean over groups of `draws`.
at::Tensor weighted_bound(const at::Tensor& log_weights, std::int64_t draws) {
  return objective::log_mean_exp(log_weights.reshape({-1, draws}))
      .view({log_weights.size(0), -1})
      .mean(1);
}

BoundPoint point(double at, const at::Tensor& log_p, const at::Tensor& bound) {
  return {at, mean_of(log_p), mean_of(bound), (log_p - bound).median().item<double>()};
}

ShownPosterior shown(model::LatentModel& model, const at::Tensor& images, const BoundGap& gap,
                     std::int64_t index) {
  const std::int64_t height = images.size(2), width = images.size(3),
                     scale = std::max<std::int64_t>(1, kTypicalPicture / std::max(height, width));
  return {images.narrow(0, index, 1).to(at::kFloat),
          posterior_maps(model, images, gap, index, scale * height, scale * width),
          gap.kl[index].item<double>()};
}

std::uint64_t seed_of(const config::Config& config) {
  return static_cast<std::uint64_t>(config.run.seed);
}

}  // namespace

TwoLatentResult examine_two_latents(const config::Config& config,
                                    const data::SampleDataset& training, const at::Tensor& images,
                                    std::int64_t steps, const device::DeviceChoice& device) {
  const at::Tensor exact = images.to(at::kCPU, at::kDouble);
  const arrays::SampleShape& shape = training.shape();
  TwoLatentResult out;
  out.images = exact.size(0);
  out.sigma = *config::likelihood_traits(config.objective).fixed_sigma;
  ShortTraining course(config, training, device);
  const at::Tensor followed = exact.narrow(0, 0, std::min(kFollowedImages, exact.size(0)));
  std::int64_t done = 0;
  for (std::int64_t part = 16; part >= 1; part /= 2) {
    const std::int64_t next = steps / part;
    if (next == done) continue;
    course.train(next - done);
    done = next;
    const auto model = copy_in_double(config, shape, course.model());
    const BoundGap gap = bound_gap(*model, followed);
    out.training.push_back(point(static_cast<double>(done), gap.log_p, gap.elbo));
  }

  const auto model = copy_in_double(config, shape, course.model());
  const BoundGap gap = bound_gap(*model, exact);
  out.log_p = mean_of(gap.log_p);
  out.elbo = mean_of(gap.elbo);
  out.gap = mean_of(gap.gap());
  out.kl = mean_of(gap.kl);
  out.least_kl = gap.kl.min().item<double>();
  out.largest_kl = gap.kl.max().item<double>();
  out.largest_difference = (gap.gap() - gap.kl).abs().max().item<double>();
  out.grid_error = gap.grid_error;
  const at::Tensor order = gap.kl.argsort();
  const std::int64_t count = std::min(kShownPosteriors, exact.size(0) / 2);
  for (std::int64_t i = 0; i < count; ++i) {
    out.closest.push_back(shown(*model, exact, gap, order[i].item<std::int64_t>()));
    out.farthest.push_back(shown(*model, exact, gap, order[-1 - i].item<std::int64_t>()));
  }

  const at::Tensor log_weights = log_weights_of(*model, exact, kWeightedDraws, seed_of(config));
  for (std::int64_t draws = 1; draws <= kWeightedDraws / 4; draws *= 2)
    out.weighted.push_back(
        point(static_cast<double>(draws), gap.log_p, weighted_bound(log_weights, draws)));
  out.gradient =
      gradient_noise(*model, exact.narrow(0, 0, std::min(kGradientImages, exact.size(0))),
                     kGradientDraws, seed_of(config));
  return out;
}

WeightedTraining train_weighted(config::Config config, std::int64_t draws,
                                const data::SampleDataset& training, const at::Tensor& images,
                                std::int64_t steps, const device::DeviceChoice& device) {
  config.objective.importance_samples = draws;
  ShortTraining course(config, training, device);
  course.train(steps);
  const auto model = copy_in_double(config, training.shape(), course.model());
  const at::Tensor exact = images.to(at::kCPU, at::kDouble);
  const BoundGap gap = bound_gap(*model, exact);
  return {draws, mean_of(gap.log_p), mean_of(gap.elbo),
          mean_of(weighted_bound(log_weights_of(*model, exact, kWeightedDraws, seed_of(config)),
                                 draws))};
}

}  // namespace vae_dist::lesson
