// p(x|z): how a decoder's output is a distribution over images.
//
//   gaussian              N(output, sigma^2), sigma in data units:
//     fixed               given
//     learned             one log sigma, a parameter
//     optimal             sigma^2 = the batch's mean squared error, where the likelihood is largest (Rybkin et al. 2021, "Simple and Effective
//                         VAE Training with Calibrated Decoders", eq. 6); evaluation uses a running mean of it
//     predicted           log sigma^2 of every value, by the decoder's second head
//   bernoulli             output: logits
//   discretized_logistic  output: the mean; one learned log scale a channel; probability of the bin of each of 256 levels (Kingma et al. 2016,
//                         "Improving Variational Inference with Inverse Autoregressive Flow", appendix C; Salimans et al. 2017, eq. 2)
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>

#include "model/initial_weights.hpp"

namespace vae_dist::model {

enum class LikelihoodKind { gaussian, bernoulli, discretized_logistic };
enum class Variance { fixed, learned, optimal, predicted };

struct LikelihoodOptions {
  LikelihoodKind kind = LikelihoodKind::gaussian;
  Variance variance = Variance::fixed;  ///< gaussian only
  double sigma = 1.0;                   ///< Variance::fixed, in data units
  double low = 0.0, high = 1.0;         ///< the range of x
  std::int64_t channels = 3;
};

/// The parameters of p(x|z) for a batch of z.
struct Decoded {
  at::Tensor output;        ///< [B, C, H, W]: mean, or logits
  at::Tensor log_variance;  ///< [B, C, H, W]: log sigma^2, Variance::predicted only

  Decoded narrow(std::int64_t first, std::int64_t count) const;
};

class Likelihood : public torch::nn::Module, public BeginsAsConstructed {
 public:
  static constexpr double kLeastLogSigma = -6.0;      ///< of `optimal`, reached softly
  static constexpr double kLeastLogVariance = -6.0;   ///< of `predicted`: below it, single pixels that are always black would rule the loss
  static constexpr double kDecay = 0.99;              ///< of the running mean squared error

  explicit Likelihood(const LikelihoodOptions& options);

  const LikelihoodOptions& options() const { return options_; }
  bool is(Variance variance) const { return options_.kind == LikelihoodKind::gaussian && options_.variance == variance; }

  /// Whether it has a parameter or a running value, so that a checkpoint must hold it.
  bool keeps_something() const { return options_.kind == LikelihoodKind::discretized_logistic || is(Variance::learned) || is(Variance::optimal); }

  /// -log p(x|z) in nats with all constants, summed over an image's values: [B]. x: [B, C, H, W]. `optimal` takes the batch's own error in
  /// training mode, so the batch must be one replica's.
  at::Tensor negative_log(const Decoded& decoded, const at::Tensor& x) const;

  /// -log p(x_b|z_k) of every image under every decoded latent: [B, K]. x: [B, C, H, W], decoded: K of them. fixed, learned and bernoulli cost one
  /// matrix product; `optimal` throws std::logic_error, as the pairs have no common error.
  at::Tensor negative_log_of_pairs(const Decoded& decoded, const at::Tensor& x) const;

  /// E[x|z]: [B, C, H, W], in the range of x.
  at::Tensor mean_image(const Decoded& decoded) const;

  /// log sigma of the Gaussian that it is in evaluation (in training `optimal` follows each batch); not for `predicted`. A scalar.
  at::Tensor log_sigma() const;

  /// The mean squared error per value of a batch: a scalar.
  static at::Tensor squared_error(const Decoded& decoded, const at::Tensor& x);

  /// `optimal`: takes a step's error (mean over its replicas) into the running one, a plain mean of the first 1 / (1 - kDecay) steps, so that it forgets where it
  /// began; unless `skip` ([1], 1 = nothing may change).
  void blend_into_running(const at::Tensor& step_mse, const at::Tensor& skip);

  at::Tensor learned_log_sigma;            ///< scalar, parameter: `learned`
  at::Tensor log_scale;                    ///< [C], parameter: discretized_logistic
  at::Tensor running_mse, num_batches_tracked;  ///< scalars, buffers: `optimal`; the count is int64

 private:
  // log_sigma() with type and device of `values`.
  at::Tensor log_sigma_like(const at::Tensor& values) const;
  at::Tensor logistic(const at::Tensor& mean, const at::Tensor& x) const;

  LikelihoodOptions options_;
};

}  // namespace vae_dist::model
