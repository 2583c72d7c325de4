#include "evaluate/latent_walks.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "evaluate/encoded_rows.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/model_pictures.hpp"
#include "evaluate/read_samples.hpp"
#include "model/evaluation_mode.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::int64_t kAtOnce = 256;  // images encoded at once
constexpr double kParallel =
    1e-6;  // sine of the angle below which two directions count as parallel

// Statistics of each dimension over the samples.
struct DimensionStatistics {
  at::Tensor weights;  // [L], float64
  at::Tensor draws;    // [samples, L], float64: of q(z|x), or the codes
};

DimensionStatistics examine_dimensions(model::LatentModel& model,
                                       const data::SampleDataset& dataset,
                                       const data::InputFormat& format,
                                       const TraversalOptions& options) {
  const std::int64_t count = std::min(options.examined_samples, dataset.size());
  const EncodedBlock rows =
      encode_rows(model, dataset, {0, count}, format, kAtOnce, *comm::make_self_communicator());
  const at::Tensor mu = rows.mu.to(at::kDouble);
  if (!rows.log_var.defined()) return {mu.var(0, /*unbiased=*/false), mu};
  const at::Tensor log_var = rows.log_var.to(at::kDouble);
  const at::Tensor noise = keyed_noise(model, base::Purpose::evaluation, options.seed, 0, count)
                               .to(at::kCPU, at::kDouble);
  return {objective::kl_per_dimension(mu, log_var).mean(0),
          model::reparameterize({mu, log_var}, noise)};
}

// Returns values from `first` to `last`, both included, symmetric to the last bit.
std::vector<double> equally_spaced(double first, double last, std::int64_t steps) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < steps; ++i)
    out.push_back((first * static_cast<double>(steps - 1 - i) + last * static_cast<double>(i)) /
                  static_cast<double>(steps - 1));
  return out;
}

// Walks by code: the vectors of whose codes least is known come first, and each takes its most
// frequent codes in the order of their number. Unlike those of z, the distances of codes mean
// nothing.
Traversals walk_over_codes(model::LatentModel& model, const data::SampleDataset& dataset,
                           const data::InputFormat& format, const TraversalOptions& options,
                           const at::Tensor& start, const at::Tensor& condition) {
  const model::VectorQuantizer& quantizer = *model.codes();
  const std::int64_t count = std::min(options.examined_samples, dataset.size()),
                     steps = std::min(options.steps, quantizer.size());
  const at::Tensor mu =
      encode_rows(model, dataset, {0, count}, format, kAtOnce, *comm::make_self_communicator()).mu;
  const at::Tensor codes = quantizer.codes_of(mu.to(start.device())).cpu();  // [samples, vectors]
  std::vector<at::Tensor> counts;
  for (std::int64_t v = 0; v < quantizer.vectors(); ++v)
    counts.push_back(at::bincount(codes.select(1, v), {}, quantizer.size()));
  const at::Tensor shares = at::stack(counts).to(at::kDouble) / static_cast<double>(count),
                   entropies = -at::xlogy(shares, shares).sum(1),
                   order = entropies.argsort(/*stable=*/true, 0, /*descending=*/true);

  Traversals out;
  out.of = Traversals::Of::codes;
  for (std::int64_t i = 0; i < steps; ++i) out.positions.push_back(static_cast<double>(i + 1));
  const at::Tensor own = quantizer.codes_of(start);  // [1, vectors]
  std::vector<at::Tensor> values, images;
  for (std::int64_t i = 0; i < std::min(options.dimensions, quantizer.vectors()); ++i) {
    const auto vector = order[i].item<std::int64_t>();
    out.dimensions.push_back(vector);
    out.weights.push_back(entropies[vector].item<double>());
    values.push_back(
        shares[vector].argsort(/*stable=*/true, 0, /*descending=*/true).narrow(0, 0, steps));
    at::Tensor changed = own.repeat({steps, 1});
    changed.select(1, vector).copy_(values.back());
    images.push_back(decoded_images(model, quantizer.latents_of(changed), condition));
  }
  out.values = at::stack(values).to(at::kDouble);
  out.images = at::stack(images);
  return out;
}

}  // namespace

std::string unit_of(const Traversals& walks) {
  if (walks.of == Traversals::Of::codes) return "ranks of its codes by how often they occur";
  if (!walks.in_quantiles) return "standard deviations of the prior";
  return walks.of == Traversals::Of::posteriors ? "quantiles of the aggregate posterior"
                                                : "quantiles of the codes";
}

at::Tensor latent_path(const at::Tensor& from, const at::Tensor& to, std::int64_t steps,
                       Path path) {
  if (steps < 2) throw std::logic_error("a path needs at least 2 steps");
  const at::Tensor a = from.to(at::kDouble), b = to.to(at::kDouble);
  const double lengths = a.norm().item<double>() * b.norm().item<double>();
  const double cosine =
                   lengths > 0 ? std::clamp(a.dot(b).item<double>() / lengths, -1.0, 1.0) : 1.0,
               angle = std::acos(cosine), sine = std::sin(angle);
  const bool linear = path == Path::linear || sine < kParallel;
  std::vector<at::Tensor> points = {from};
  for (std::int64_t i = 1; i + 1 < steps; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(steps - 1);
    points.push_back(
        (linear ? a * (1 - t) + b * t
                : a * (std::sin((1 - t) * angle) / sine) + b * (std::sin(t * angle) / sine))
            .to(from.scalar_type()));
  }
  points.push_back(to);
  return at::stack(points);
}

Interpolations interpolate(model::LatentModel& model, const data::SampleDataset& dataset,
                           const std::vector<RowPair>& pairs, std::int64_t steps, Path path,
                           const data::InputFormat& format, const at::Tensor& condition) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  std::vector<at::Tensor> originals, z, images;
  for (const auto& [first, second] : pairs) {
    const model::Sample from = read_batch(dataset, first, 1, format),
                        to = read_batch(dataset, second, 1, format);
    originals.push_back(at::cat({from.x, to.x}).cpu());
    z.push_back(latent_path(model.encode(from).mu[0], model.encode(to).mu[0], steps, path));
    // Without a condition of the caller's, each end is decoded under its own.
    at::Tensor along = condition;
    if (!along.defined() && from.condition.defined())
      along = latent_path(from.condition[0], to.condition[0], steps, Path::linear);
    images.push_back(decoded_images(model, z.back(), along));
  }
  return {at::stack(originals), at::stack(images), at::stack(z).cpu()};
}

TraversalOptions usual_traversal(const model::LatentModel& model, std::int64_t dimensions,
                                 std::uint64_t seed) {
  TraversalOptions options;
  options.dimensions = dimensions;
  options.seed = seed;
  if (model.latent_kind() == base::LatentKind::point)
    options.range.quantile = TraversalRange::kOutermost;
  return options;
}

Traversals traverse(model::LatentModel& model, const data::SampleDataset& dataset,
                    const data::InputFormat& format, const TraversalOptions& options) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  const model::Sample row = read_batch(dataset, options.row, 1, format);
  const at::Tensor start = model.encode(row).mu,
                   condition = options.condition.defined() ? options.condition : row.condition;
  if (model.codes()) return walk_over_codes(model, dataset, format, options, start, condition);
  const DimensionStatistics looked = examine_dimensions(model, dataset, format, options);
  const at::Tensor order = looked.weights.argsort(/*stable=*/true, 0, /*descending=*/true);
  const auto& quantile = options.range.quantile;

  Traversals out;
  if (model.latent_kind() == base::LatentKind::point) out.of = Traversals::Of::points;
  out.in_quantiles = quantile.has_value();
  if (out.of == Traversals::Of::points && !quantile)
    throw std::logic_error(
        "a point latent has no prior, so its traversal needs a range in quantiles");
  out.positions =
      quantile ? equally_spaced(*quantile, 1 - *quantile, options.steps)
               : equally_spaced(-options.range.deviations, options.range.deviations, options.steps);
  const at::Tensor positions = at::tensor(out.positions, at::kDouble);
  std::vector<at::Tensor> values, images;
  for (std::int64_t i = 0; i < std::min(options.dimensions, model.latent_values()); ++i) {
    const auto dimension = order[i].item<std::int64_t>();
    out.dimensions.push_back(dimension);
    out.weights.push_back(looked.weights[dimension].item<double>());
    values.push_back(quantile ? at::quantile(looked.draws.select(1, dimension), positions)
                              : positions);
    at::Tensor z = start.repeat({options.steps, 1});
    z.select(1, dimension).copy_(values.back());
    images.push_back(decoded_images(model, z, condition));
  }
  out.values = at::stack(values);
  out.images = at::stack(images);
  return out;
}

}  // namespace vae_dist::evaluate
