// Likelihoods, KL and the whole objective on plain tensors, forward and backward: what a step
// computes outside of its network. items: samples.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <memory>

#include "objective/gaussian.hpp"
#include "objective/kl_divergence.hpp"
#include "objective/objective.hpp"

namespace vae_dist::bench {
namespace {

constexpr std::int64_t kBatch = 64, kChannels = 3, kSize = 64, kLatent = 128;

// A batch of images, and the outputs that a network might have for them, as leaf tensors with
// gradients.
struct Tensors {
  at::Tensor x = at::rand({kBatch, kChannels, kSize, kSize}), noise = at::randn({kBatch, kLatent});
  at::Tensor output = at::rand_like(x).requires_grad_(),
             log_variance = at::zeros_like(x).requires_grad_(),
             shared_log_variance = at::zeros({kBatch, 1, 1, 1}).requires_grad_();
  at::Tensor mu = at::randn({kBatch, kLatent}).requires_grad_(),
             log_var = at::zeros({kBatch, kLatent}).requires_grad_();

  void forget_gradients() {
    for (at::Tensor* leaf : {&output, &log_variance, &shared_log_variance, &mu, &log_var})
      leaf->mutable_grad().reset();
  }
};

// What the decoder of a likelihood gives.
model::Decoded decoded_for(const model::Likelihood& likelihood, const at::Tensor& output,
                           const Tensors& tensors) {
  switch (likelihood.traits().second_head.of) {
    case base::SecondHead::Of::values:
      return {output, tensors.log_variance};
    case base::SecondHead::Of::sample:
      return {output, tensors.shared_log_variance};
    case base::SecondHead::Of::nothing:
      break;
  }
  return {output, {}};
}

// A model without a network.
class NoNetwork final : public model::LatentModel {
 public:
  NoNetwork(Tensors& tensors, std::shared_ptr<model::Likelihood> likelihood) : tensors_(tensors) {
    finish(kLatent, std::move(likelihood));
  }

 private:
  model::Posterior encode_sample(const model::Sample&) override {
    return {tensors_.mu, model::clamp_log_var(tensors_.log_var)};
  }
  // Adds the latents times 0, so that gradients flow through them.
  model::Decoded decode_latents(const at::Tensor& z, const model::Sample&) override {
    return decoded_for(likelihood(), tensors_.output + 0 * z.sum(), tensors_);
  }

  Tensors& tensors_;
};

void nats(benchmark::State& state, const std::string& name, const std::any& own) {
  Tensors tensors;
  const auto likelihood = model::make_likelihood(name, {.own = own, .channels = kChannels});
  const model::Decoded decoded = decoded_for(*likelihood, tensors.output, tensors);
  for ([[maybe_unused]] auto _ : state) {
    likelihood->negative_log(decoded, tensors.x).mean().backward();
    tensors.forget_gradients();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void kl(benchmark::State& state, double free_bits) {
  Tensors tensors;
  for ([[maybe_unused]] auto _ : state) {
    (free_bits > 0
         ? objective::kl_with_free_bits(
               objective::kl_per_dimension(tensors.mu, tensors.log_var).mean(0), free_bits)
         : objective::kl_divergence(tensors.mu, tensors.log_var))
        .backward();
    tensors.forget_gradients();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void loss(benchmark::State& state, const std::string& likelihood, objective::Reduction reduction) {
  Tensors tensors;
  NoNetwork model(tensors, model::make_likelihood(likelihood, {.channels = kChannels}));
  objective::ObjectiveOptions options;
  options.reduction = reduction;
  const objective::Objective objective(options, model);
  for ([[maybe_unused]] auto _ : state) {
    objective.terms(model, {tensors.x, tensors.noise}, {0.00025, 0}).loss.backward();
    tensors.forget_gradients();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

BENCHMARK_CAPTURE(nats, fixed, "gaussian", objective::GaussianSettings{objective::Variance::fixed})
    ->Name("likelihood/gaussian_fixed");
BENCHMARK_CAPTURE(nats, learned, "gaussian",
                  objective::GaussianSettings{objective::Variance::learned})
    ->Name("likelihood/gaussian_learned");
BENCHMARK_CAPTURE(nats, optimal, "gaussian",
                  objective::GaussianSettings{objective::Variance::optimal})
    ->Name("likelihood/gaussian_optimal");
BENCHMARK_CAPTURE(nats, predicted, "gaussian",
                  objective::GaussianSettings{objective::Variance::predicted})
    ->Name("likelihood/gaussian_predicted");
BENCHMARK_CAPTURE(nats, predicted_shared, "gaussian",
                  objective::GaussianSettings{objective::Variance::predicted_shared})
    ->Name("likelihood/gaussian_predicted_shared");
BENCHMARK_CAPTURE(nats, bernoulli, "bernoulli", std::any())->Name("likelihood/bernoulli");
BENCHMARK_CAPTURE(nats, logistic, "discretized_logistic", std::any())
    ->Name("likelihood/discretized_logistic");
BENCHMARK_CAPTURE(kl, plain, 0.0)->Name("kl/plain");
BENCHMARK_CAPTURE(kl, free_bits, 0.1)->Name("kl/free_bits");
BENCHMARK_CAPTURE(loss, mean, "gaussian", objective::Reduction::mean)
    ->Name("objective/gaussian_mean");
BENCHMARK_CAPTURE(loss, sum, "gaussian", objective::Reduction::sum)->Name("objective/gaussian_sum");
BENCHMARK_CAPTURE(loss, bernoulli, "bernoulli", objective::Reduction::sum)
    ->Name("objective/bernoulli_sum");

}  // namespace
}  // namespace vae_dist::bench
