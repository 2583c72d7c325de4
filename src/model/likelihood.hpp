// p(x|z): interprets a decoder's output as a distribution over x. Each likelihood is one file in
// ../objective that registers itself; see "Add a likelihood" in ../objective/README.md.
#pragma once

#include <ATen/core/Generator.h>
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

/// The parameters of p(x|z) for a batch of z.
struct Decoded {
  at::Tensor output;  ///< [B, C, space...]: mean, or logits
  at::Tensor second;  ///< defined if the likelihood asks for a second head
                      ///< (LikelihoodTraits::second_head): of every value, [B, C, space...], or of
                      ///< the whole sample, [B, 1, 1...]
  at::Tensor quantized = {};  ///< of a quantized latent, z as its codes: [B, latent_values],
                              ///< without a gradient

  Decoded narrow(std::int64_t first, std::int64_t count) const;
};

class Likelihood : public torch::nn::Module, public BeginsAsConstructed {
 public:
  explicit Likelihood(const base::LikelihoodTraits& traits) : traits_(traits) {}

  const base::LikelihoodTraits& traits() const { return traits_; }

  /// Returns whether it has parameters or buffers, which a checkpoint must store.
  bool keeps_something() const { return !parameters().empty() || !buffers().empty(); }

  /// Returns -log p(x|z) in nats with all constants, summed over a sample's values: [B]. In
  /// training mode, a likelihood that follows the error uses the error of the batch, so the batch
  /// must be that of one replica.
  virtual at::Tensor negative_log(const Decoded& decoded, const Sample& sample) const = 0;

  /// Returns -log p(x_b|z_k) of every sample under each of K decoded latents: [B, K]. This version
  /// takes one latent at a time; a likelihood may override it with something cheaper.
  virtual at::Tensor negative_log_of_pairs(const Decoded& decoded, const Sample& sample) const;

  /// Returns E[x|z]: [B, C, space...], in the range of x. `given`: the samples that are
  /// reconstructed, for likelihoods that read more of them than z (a total count); without x, what
  /// is generated.
  virtual at::Tensor mean_image(const Decoded& decoded, const Sample& given = {}) const;

  /// Returns a draw of p(x|z) for each z: [B, C, space...], on the CPU, in the range of x. `given`:
  /// as for mean_image(). The draws are a function of the generator's state. Throws
  /// std::logic_error if the likelihood does not say how to draw.
  virtual at::Tensor draw(const Decoded& decoded, const Sample& given,
                          at::Generator& generator) const;

  /// Returns, as means over a batch's samples, all that -log p(x|z) of a whole batch depends on
  /// where the likelihood follows the error: the squared error, the number of observed values, and
  /// their quotient. [3]
  static at::Tensor error_means(const Decoded& decoded, const Sample& sample);

  /// Returns the mean -log p(x|z) of a whole batch in training mode, from its error_means(): nats
  /// per sample, or the mean over samples of nats per observed value. Only for likelihoods that
  /// follow the error; others throw std::logic_error.
  virtual at::Tensor negative_log_of_means(const at::Tensor& error_means, bool per_value) const;

  /// Blends a step's mean squared error per value over its replicas (a scalar) into the running
  /// value, unless `skip` ([1], 1 = nothing may change). Only likelihoods that follow the error do
  /// so.
  virtual void blend_into_running(const at::Tensor& step_mse, const at::Tensor& skip);

  /// Returns the mean squared error per value of a batch: a scalar. Of samples with missing values,
  /// the mean over samples of each one's mean over its observed values.
  static at::Tensor squared_error(const Decoded& decoded, const Sample& sample);

 private:
  base::LikelihoodTraits traits_;
};

/// Returns the sums of `of_values`, [B, C, space...], over the observed values of each sample: [B].
at::Tensor sum_of_observed(const at::Tensor& of_values, const Sample& sample);

/// Returns the number of observed values of each sample, at least 1: [B], or a scalar where all are
/// observed. In the type of x, on its device.
at::Tensor observed_values(const Sample& sample);

/// The arguments with which a likelihood is constructed.
struct LikelihoodRequest {
  std::any own = {};             ///< its own settings, as registered; empty: the defaults
  double low = 0.0, high = 1.0;  ///< the range of x
  std::int64_t channels = 3;
  std::int64_t values = 1;  ///< D of a sample

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

using MakeLikelihood = std::function<std::shared_ptr<Likelihood>(const LikelihoodRequest&)>;

/// Registers a likelihood: one constant of this type in its file.
using RegisteredLikelihood = base::Registered<base::Likelihood, MakeLikelihood>;

/// Constructs the likelihood `name`. Throws std::logic_error if it is not registered.
std::shared_ptr<Likelihood> make_likelihood(const std::string& name,
                                            LikelihoodRequest request = {});

}  // namespace vae_dist::model
