// The parts of Objective that look at the whole batch.
#include "objective/whole_batch.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/autograd.h>

#include <algorithm>

#include "objective/kl_divergence.hpp"
#include "objective/objective.hpp"

namespace vae_dist::objective {
namespace {

template <typename Kind>
const Kind* of_kind(const Regulariser& regulariser) {
  return std::get_if<Kind>(&regulariser.value);
}

// Returns copies that a graph of their own begins at.
std::vector<at::Tensor> leaves_of(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& tensor : tensors) out.push_back(tensor.detach().requires_grad_());
  return out;
}

// d scalar / d leaves; an undefined tensor where the scalar does not depend on a leaf.
std::vector<at::Tensor> gradients_of(const at::Tensor& scalar,
                                     const std::vector<at::Tensor>& leaves) {
  if (!scalar.requires_grad()) return std::vector<at::Tensor>(leaves.size());
  return torch::autograd::grad({scalar}, leaves, {}, /*retain_graph=*/false,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

// How many rows of samples are compared with all G at once. Some ten tensors of rows * G numbers
// are alive then, which should stay in the cache of a CPU; but each block adds to the slopes of all
// G * L numbers, which must not cost more than its pairs. A GPU wants more work at once.
std::int64_t rows_at_once(const at::Tensor& rows, bool per_dimension) {
  const std::int64_t samples = rows.size(0), latent = rows.size(1);
  if (rows.is_cpu()) return std::max((std::int64_t{1} << 17) / samples, latent);
  return (std::int64_t{1} << 24) / (samples * (per_dimension ? latent : 1));
}

at::Tensor inner_product(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(); }

}  // namespace

Forward Forward::narrow(std::int64_t first, std::int64_t count) const {
  const auto part = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, first, count) : tensor;
  };
  return {{part(posterior.mu), part(posterior.log_var)},
          part(z),
          part(prior),
          decoded.narrow(first, count)};
}

bool Objective::looks_at_reconstruction() const {
  return is_standard() && options_.whole_batch && follows_error_ &&
         options_.importance_samples == 1 && kind_ != base::LatentKind::none;
}

bool Objective::looks_at_means() const {
  if (!options_.whole_batch || kind_ == base::LatentKind::none) return false;
  if (looks_at_reconstruction()) return true;
  if (kind_ == base::LatentKind::posterior && !is_charged_as_a_sum()) return true;
  for (const Regulariser& each : options_.regularisers)
    if (of_kind<FunctionOfMeans>(each)) return true;
  return false;
}

bool Objective::looks_at_rows() const {
  return options_.whole_batch && kind_ != base::LatentKind::none &&
         (pair_values() > 0 || has_critics());
}

std::int64_t Objective::pair_values() const {
  std::size_t values = 0;
  for (const Regulariser& each : options_.regularisers)
    if (of_kind<SumOverPairs>(each)) values += each.terms.size();
  return static_cast<std::int64_t>(values);
}

Forward Objective::forward(model::LatentModel& model, const model::Sample& sample,
                           bool decode) const {
  Forward out;
  out.posterior = model.encode(sample);
  at::Tensor noise = sample.noise;
  if (uses_prior()) {
    const std::int64_t of_posterior = sample.noise.size(1) - latent_values_;
    noise = sample.noise.narrow(1, 0, of_posterior);
    out.prior = sample.noise.narrow(1, of_posterior, latent_values_);
  }
  out.z = model::reparameterize(out.posterior, noise);
  if (decode || looks_at_reconstruction()) out.decoded = model.decode(out.z, sample);
  return out;
}

BatchShare Objective::share(const Forward& forward, const model::Sample& sample) const {
  const at::NoTF32Guard exact;
  BatchShare out;
  const auto& [posterior, z, prior, decoded] = forward;
  if (looks_at_means()) {
    std::vector<at::Tensor> means;
    if (looks_at_reconstruction()) means.push_back(model::Likelihood::error_means(decoded, sample));
    if (!posterior.is_point() && !is_charged_as_a_sum())
      means.push_back(kl_per_dimension(posterior.mu, posterior.log_var).mean(0));
    for (const Regulariser& each : options_.regularisers)
      if (const auto* const function = of_kind<FunctionOfMeans>(each))
        means.push_back(function->means({posterior, z, prior, decoded.quantized}));
    out.means = at::cat(means);
  }
  if (looks_at_rows()) {
    out.rows = {posterior.mu};
    if (!posterior.is_point()) out.rows.push_back(posterior.log_var);
    out.rows.push_back(z);
    if (prior.defined()) out.rows.push_back(prior);
  }
  return out;
}

LatentRows Objective::rows_of(const std::vector<at::Tensor>& fields) const {
  std::size_t next = 0;
  LatentRows out;
  out.posterior.mu = fields.at(next++);
  if (kind_ == base::LatentKind::posterior) out.posterior.log_var = fields.at(next++);
  out.z = fields.at(next++);
  if (uses_prior()) out.prior = fields.at(next);
  return out;
}

WholeBatch Objective::of_means(const model::Likelihood& likelihood, const at::Tensor& means,
                               const StepWeights& weights) const {
  WholeBatch out;
  out.regularisers.resize(options_.regularisers.size());
  if (!looks_at_means()) return out;

  const at::NoTF32Guard exact;
  const at::AutoGradMode with_gradients(true);
  const at::Tensor leaf = means.detach().requires_grad_();
  std::int64_t next = 0;
  const auto take = [&](std::int64_t count) {
    next += count;
    return leaf.narrow(0, next - count, count);
  };
  at::Tensor loss = at::zeros({}, means.options());
  if (looks_at_reconstruction()) {
    out.reconstruction = likelihood.negative_log_of_means(
        take(3), /*per_value=*/options_.reduction == Reduction::mean);
    loss = out.reconstruction;
  }
  if (kind_ == base::LatentKind::posterior && !is_charged_as_a_sum()) {
    const at::Tensor kl = take(latent_values_);
    loss = loss_of(loss, charged({kl.sum(), kl}, weights), weights);
  }
  for (std::size_t i = 0; i < options_.regularisers.size(); ++i) {
    const auto* const function = of_kind<FunctionOfMeans>(options_.regularisers[i]);
    if (!function) continue;
    const at::Tensor values =
        options_.regularisers[i].checked(function->values(take(function->count(latent_values_))));
    out.regularisers[i] = values.detach();
    loss = loss + weighted(i, values, weights);
  }
  out.mean_gradients = gradients_of(loss, {leaf}).front();
  // All weights may be 0, to watch a term without training on it.
  if (!out.mean_gradients.defined()) out.mean_gradients = at::zeros_like(leaf);
  out.loss = loss.detach();
  if (out.reconstruction.defined()) out.reconstruction = out.reconstruction.detach();
  return out;
}

void Objective::add_pairs(const std::vector<at::Tensor>& rows, std::int64_t first,
                          std::int64_t count, const StepWeights& weights,
                          const std::vector<at::Tensor>& gradients,
                          const at::Tensor& values) const {
  // Rounded to TF32, what cancels in a distance would be of the size of a kernel's width.
  const at::NoTF32Guard exact;
  std::int64_t next = 0;
  for (std::size_t i = 0; i < options_.regularisers.size(); ++i) {
    const Regulariser& regulariser = options_.regularisers[i];
    const auto* const pairs = of_kind<SumOverPairs>(regulariser);
    if (!pairs) continue;
    const auto terms = static_cast<std::int64_t>(regulariser.terms.size());
    const std::int64_t at_once =
        std::clamp<std::int64_t>(rows_at_once(rows.front(), pairs->per_dimension), 1, count);
    for (std::int64_t done = 0; done < count; done += at_once) {
      const at::AutoGradMode with_gradients(true);
      const std::vector<at::Tensor> leaves = leaves_of(rows);
      const at::Tensor part = regulariser.checked(
          pairs->part(rows_of(leaves), first + done, std::min(at_once, count - done)));
      const std::vector<at::Tensor> slopes = gradients_of(weighted(i, part, weights), leaves);
      const at::NoGradGuard no_grad;
      for (std::size_t field = 0; field < slopes.size(); ++field)
        if (slopes[field].defined()) gradients[field].add_(slopes[field]);
      values.narrow(0, next, terms).add_(part.detach());
    }
    next += terms;
  }
}

void Objective::add_pair_values(const at::Tensor& values, const StepWeights& weights,
                                WholeBatch& whole) const {
  const at::NoGradGuard no_grad;
  std::int64_t next = 0;
  for (std::size_t i = 0; i < options_.regularisers.size(); ++i) {
    if (!of_kind<SumOverPairs>(options_.regularisers[i])) continue;
    const auto terms = static_cast<std::int64_t>(options_.regularisers[i].terms.size());
    whole.regularisers[i] = values.narrow(0, next, terms).clone();
    next += terms;
    const at::Tensor part = weighted(i, whole.regularisers[i], weights);
    whole.loss = whole.loss.defined() ? whole.loss + part : part;
  }
}

LossTerms Objective::terms(model::LatentModel& model, const Forward& forward, const BatchShare& own,
                           const model::Sample& sample, const StepWeights& weights,
                           const WholeBatch& whole, std::int64_t replicas) const {
  const auto& [posterior, z, prior, decoded] = forward;
  const bool by_means = looks_at_reconstruction();
  LossTerms out;
  out.reconstruction = by_means ? whole.reconstruction : reduced(model, decoded, sample);
  if (model.likelihood().traits().follows_error)
    out.extra_terms = {by_means ? own.means.detach()[2]
                                : model::Likelihood::squared_error(decoded, sample).detach()};
  if (code_use_terms_)
    out.extra_terms.insert(out.extra_terms.end(), 2, at::zeros({}, sample.x.options()));

  // What is a sum over samples.
  at::Tensor loss = by_means ? at::zeros({}, sample.x.options()) : out.reconstruction;
  if (posterior.is_point()) {
    out.kld = at::zeros({}, sample.x.options());
  } else {
    out.kld = kl_divergence(posterior.mu, posterior.log_var);
    if (is_standard() && is_charged_as_a_sum())
      loss = loss_of(loss, charged({out.kld, {}}, weights), weights);
  }
  if (!is_standard()) loss = add_script(model, forward, sample, weights, replicas, out);
  for (std::size_t i = 0; i < options_.regularisers.size(); ++i) {
    const Regulariser& regulariser = options_.regularisers[i];
    if (regulariser.critic()) continue;
    const at::Tensor values = regulariser.is_mean_over_samples()
                                  ? regulariser.of({posterior, z, prior, decoded.quantized})
                                  : whole.regularisers[i];
    if (regulariser.is_mean_over_samples()) loss = loss + weighted(i, values, weights);
    for (const at::Tensor& value : values.detach().unbind()) out.extra_terms.push_back(value);
  }

  // The value of W, with the slope of this batch's share of it.
  at::Tensor slope = at::zeros({}, sample.x.options());
  if (own.means.defined()) slope = slope + inner_product(whole.mean_gradients, own.means);
  for (std::size_t field = 0; field < whole.row_gradients.size(); ++field)
    slope = slope + inner_product(whole.row_gradients[field], own.rows.at(field));
  out.loss = loss + (slope - slope.detach());
  if (whole.loss.defined()) out.loss = out.loss + whole.loss;
  if (has_critics()) add_critics(z, whole.critics, weights, out);
  return out;
}

}  // namespace vae_dist::objective
