#include "objective/counts.hpp"

#include <ATen/ATen.h>

#include <limits>

namespace vae_dist::objective {
namespace {

// Takes the place of a total of zero, whose logarithm is infinite; all counts of such a sample are
// zero, and log p of a zero at this rate is zero.
constexpr double kNoCounts = 1e-30;

// The logit of a value that has no share of the total.
constexpr double kNoShare = -1e4;

}  // namespace

base::OwnKeys count_keys() {
  return base::own_keys<CountSettings>(
      [](base::Section& keys, CountSettings& own) {
        keys.key("generated_total", own.generated_total,
                 "the total of a sample that is generated; a reconstruction has the total of the "
                 "sample that it reconstructs")
            .above(0);
      },
      "counts");
}

base::LikelihoodTraits count_traits() {
  return {.support = base::Support::counts, .takes_logits = true};
}

at::Tensor log_rates(const at::Tensor& logits, const model::Sample& sample) {
  const at::Tensor total = sample.x.flatten(1).sum(1, /*keepdim=*/true);
  at::Tensor of_values = logits.flatten(1);
  // The total is that of the observed values, which share it among themselves.
  if (sample.observed.defined())
    of_values = of_values.masked_fill(sample.observed.flatten(1).eq(0), kNoShare);
  return of_values.log_softmax(1) + total.clamp_min(kNoCounts).log();
}

at::Tensor rates(const at::Tensor& logits, const model::Sample& given, double generated_total) {
  const at::Tensor shares = logits.flatten(1).softmax(1);
  if (!given.x.defined()) return (shares * generated_total).view(logits.sizes());
  const at::Tensor total = given.x.flatten(1).sum(1, /*keepdim=*/true).to(logits.scalar_type());
  return (shares * total).view(logits.sizes());
}

at::Tensor draw_counts(const at::Tensor& rates, at::Generator& generator) {
  return at::poisson(rates.cpu(), generator);
}

at::Tensor draw_dispersed_counts(const at::Tensor& mu, const at::Tensor& log_theta,
                                 at::Generator& generator) {
  const at::Tensor mean = mu.cpu().flatten(1);
  const at::Tensor theta = log_theta.cpu().to(mean.scalar_type()).exp().expand_as(mean);
  return at::poisson(at::_standard_gamma(theta.contiguous(), generator) * mean / theta, generator)
      .view(mu.sizes());
}

at::Tensor nats_of(const at::Tensor& log_p, const model::Sample& sample) {
  const at::Tensor values = sample.x.flatten(1);
  const at::Tensor are_counts = values.ge(0).logical_and(values.eq(values.floor()));
  return -model::sum_of_observed(
      at::where(are_counts, log_p, -std::numeric_limits<double>::infinity()), sample);
}

at::Tensor log_negative_binomial(const at::Tensor& x, const at::Tensor& log_mu,
                                 const at::Tensor& log_theta) {
  const at::Tensor theta = log_theta.exp(), ratio = log_theta - log_mu;
  // log(theta / (theta + mu)) and log(mu / (theta + mu)), exact for every ratio of the two.
  return at::lgamma(x + theta) - at::lgamma(theta) - at::lgamma(x + 1) +
         theta * at::log_sigmoid(ratio) + x * at::log_sigmoid(-ratio);
}

at::Tensor log_zero_inflated(const at::Tensor& x, const at::Tensor& log_p, const at::Tensor& pi) {
  const at::Tensor seen = at::log_sigmoid(-pi) + log_p;
  return at::where(x.eq(0), at::logaddexp(at::log_sigmoid(pi), seen), seen);
}

}  // namespace vae_dist::objective
