// p(x|z): how a decoder's output is a distribution over x. Each likelihood is one file of
// ../objective that registers itself; README.md: "Add a likelihood".
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/registered_kinds.hpp"
#include "model/initial_weights.hpp"
#include "model/sample.hpp"

namespace vae_dist::model {

/// What decoders keep a predicted log sigma^2 above: below it, single values that are always black
/// would rule the loss.
inline constexpr double kLeastLogVariance = -6.0;

/// The parameters of p(x|z) for a batch of z.
struct Decoded {
  at::Tensor output;        ///< [B, C, H, W]: mean, or logits
  at::Tensor log_variance;  ///< [B, C, H, W]: log sigma^2 >= kLeastLogVariance, where the
                            ///< likelihood has it predicted

  Decoded narrow(std::int64_t first, std::int64_t count) const;
};

class Likelihood : public torch::nn::Module, public BeginsAsConstructed {
 public:
  explicit Likelihood(const base::LikelihoodTraits& traits) : traits_(traits) {}

  const base::LikelihoodTraits& traits() const { return traits_; }

  /// Whether it has a parameter or a running value, so that a checkpoint must hold it.
  bool keeps_something() const { return !parameters().empty() || !buffers().empty(); }

  /// -log p(x|z) in nats with all constants, summed over a sample's values: [B]. One that follows
  /// the error takes the batch's own in training mode, so the batch must be one replica's.
  virtual at::Tensor negative_log(const Decoded& decoded, const Sample& sample) const = 0;

  /// -log p(x_b|z_k) of every sample under every decoded latent: [B, K], decoded: K of them. Here
  /// one latent after the other; a likelihood that has a cheaper way has its own.
  virtual at::Tensor negative_log_of_pairs(const Decoded& decoded, const Sample& sample) const;

  /// E[x|z]: [B, C, H, W], in the range of x.
  virtual at::Tensor mean_image(const Decoded& decoded) const { return decoded.output; }

  /// One that follows the error takes a step's (mean squared error per value over its replicas: a
  /// scalar) into the running one, unless `skip` ([1], 1 = nothing may change).
  virtual void blend_into_running(const at::Tensor& step_mse, const at::Tensor& skip);

  /// The mean squared error per value of a batch: a scalar.
  static at::Tensor squared_error(const Decoded& decoded, const at::Tensor& x);

 private:
  base::LikelihoodTraits traits_;
};

/// What a likelihood is to be made of.
struct LikelihoodRequest {
  std::any own = {};             ///< its own settings, as it registered them; empty: their defaults
  double low = 0.0, high = 1.0;  ///< the range of x
  std::int64_t channels = 3;

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

using MakeLikelihood = std::function<std::shared_ptr<Likelihood>(const LikelihoodRequest&)>;

/// One constant of this type in the likelihood's file.
using RegisteredLikelihood = base::Registered<base::Likelihood, MakeLikelihood>;

/// Throws std::logic_error where nobody has registered `name`.
std::shared_ptr<Likelihood> make_likelihood(const std::string& name,
                                            LikelihoodRequest request = {});

}  // namespace vae_dist::model
