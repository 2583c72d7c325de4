// What the likelihoods of counts share: rates that are shares of the total that a sample was
// observed to have (Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics",
// with the library size observed, as scvi-tools computes it by default).
//
// A value's expectation is the softmax of the decoder's output over all values of the sample, times
// the sample's total. So p(x|z) is given the total, and the total itself has no probability.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "base/registry.hpp"
#include "model/likelihood.hpp"

namespace vae_dist::objective {

/// The configuration keys of every likelihood of counts, under `objective`.
struct CountSettings {
  double generated_total = 10000;
};

/// Returns the description of CountSettings, which all of them share.
base::OwnKeys count_keys();

/// Returns the traits that all of them have.
base::LikelihoodTraits count_traits();

/// Returns the logarithms of the rates of x: [B, V]. logits, x: [B, V] or [B, C, space...]. A
/// sample without any counts has rates that are as good as zero, and so has a missing value.
at::Tensor log_rates(const at::Tensor& logits, const model::Sample& sample);

/// Returns the rates as a batch of the logits' shape. Their total is that of the sample in `given`,
/// or, where it has no x, `generated_total`.
at::Tensor rates(const at::Tensor& logits, const model::Sample& given, double generated_total);

/// Returns draws of the Poisson distribution with these rates: counts of the rates' shape and type.
at::Tensor draw_counts(const at::Tensor& rates, at::Generator& generator);

/// Returns draws of the negative binomial distribution (log_negative_binomial()) of these means,
/// [B, V] or [B, C, space...]: of Poisson distributions whose rates are gamma distributed.
at::Tensor draw_dispersed_counts(const at::Tensor& mu, const at::Tensor& log_theta,
                                 at::Generator& generator);

/// Returns -sum of log_p over the observed values: [B]; infinite where x has a value that is no
/// count. log_p: [B, V], of x: [B, C, space...].
at::Tensor nats_of(const at::Tensor& log_p, const model::Sample& sample);

/// Returns log NB(x; mu, theta), the negative binomial distribution with mean mu and variance mu +
/// mu^2 / theta: log Gamma(x + theta) - log Gamma(theta) - log x! + theta log(theta / (theta + mu))
/// + x log(mu / (theta + mu)). log_mu, x: [B, V]; log_theta: [V].
at::Tensor log_negative_binomial(const at::Tensor& x, const at::Tensor& log_mu,
                                 const at::Tensor& log_theta);

/// Returns the log probability of counts of which some are not seen, so that zero is stored: with
/// probability sigmoid(pi). log_p: of the counts themselves. All are [B, V].
at::Tensor log_zero_inflated(const at::Tensor& x, const at::Tensor& log_p, const at::Tensor& pi);

}  // namespace vae_dist::objective
