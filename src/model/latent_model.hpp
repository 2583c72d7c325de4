// What training, evaluation and pictures ask of a model: a latent z, a decoder that gives p(x|z)
// its parameters, the likelihood that these are parameters of, and (but for a decoder alone) an
// encoder.
//
// Whatever its shape inside the network, z travels as rows: [B, latent_values].
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/registered_kinds.hpp"
#include "model/batch_norm.hpp"
#include "model/likelihood.hpp"
#include "model/sample.hpp"

namespace vae_dist::model {

/// q(z|x) = N(mu, exp(log_var)), each [B, latent_values]. An autoencoder's code is a point: mu
/// alone, log_var undefined.
struct Posterior {
  at::Tensor mu, log_var;

  bool is_point() const { return !log_var.defined(); }
};

/// What PyTorch-VAE's forward returns.
struct VaeOutput {
  at::Tensor reconstruction;  ///< [B, C, H, W]: the mean image of p(x|z)
  at::Tensor input;           ///< [B, C, H, W]
  at::Tensor mu, log_var;     ///< [B, latent_values]
};

class LatentModel : public torch::nn::Module {
 public:
  /// As its network was registered (network_registry.hpp).
  virtual base::LatentKind latent_kind() const { return base::LatentKind::posterior; }
  std::int64_t latent_values() const { return latent_values_; }

  /// log_var is clamped to [-30, 20], so that exp neither overflows nor vanishes in fp32. Throws
  /// std::logic_error where there is no encoder.
  Posterior encode(const Sample& sample);

  /// z: [B, latent_values]. `given`: what else the decoder may look at, sample by sample; not x.
  Decoded decode(const at::Tensor& z, const Sample& given = {});

  /// Convolutions and matrix products of encoder and decoder in bfloat16 from now on
  /// (autocast.hpp). What they give, and so likelihood and KL, is fp32.
  void use_bfloat16(bool wanted) { uses_bfloat16_ = wanted; }

  /// The noise, [B, latent_values], is made by the caller: the model draws no random numbers. A
  /// point needs none.
  VaeOutput forward(const Sample& sample);

  Likelihood& likelihood() { return *likelihood_; }
  const Likelihood& likelihood() const { return *likelihood_; }

  /// The batch-norm layers in registration order, but for frozen ones.
  std::vector<BatchNorm2d> batch_norms() const;

  /// Nothing of these modules and parameters ("encoder", "decoder.0", "fc_mu.weight") is trained,
  /// and they are in evaluation mode from now on, whatever the model is in. Throws
  /// std::invalid_argument, listing what there is, where a name is none of the model's.
  void freeze(const std::vector<std::string>& names);

  void train(bool on = true) override;

 protected:
  /// The likelihood becomes the submodule "likelihood" where it has something to keep, so the
  /// default's parameters are PyTorch-VAE's alone. To be called once, after the network's own
  /// modules are registered.
  void finish(std::int64_t latent_values, std::shared_ptr<Likelihood> likelihood);

  virtual Posterior encode_sample(const Sample& sample) = 0;
  virtual Decoded decode_latents(const at::Tensor& z, const Sample& given) = 0;

 private:
  std::int64_t latent_values_ = 0;
  bool uses_bfloat16_ = false;
  std::shared_ptr<Likelihood> likelihood_;
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_;
};

/// Forwards while this lives repeat a batch whose statistics have been reported, as what looks at a
/// batch in two passes does: batch norm normalises by its statistics and reports none.
class RepeatedForward {
 public:
  explicit RepeatedForward(const LatentModel& model) : layers_(model.batch_norms()) {
    report(false);
  }
  ~RepeatedForward() { report(true); }
  RepeatedForward(const RepeatedForward&) = delete;
  RepeatedForward& operator=(const RepeatedForward&) = delete;

 private:
  void report(bool wanted) {
    for (BatchNorm2d& layer : layers_) layer->report_statistics(wanted);
  }

  std::vector<BatchNorm2d> layers_;
};

/// z = mu + exp(log_var / 2) * noise (the reparameterisation trick: Kingma, Welling 2014,
/// section 2.4). All [B, latent_values], or shapes that broadcast so, as [B, 1, latent_values] with
/// noise [B, K, latent_values]; a point is its own z.
at::Tensor reparameterize(const Posterior& posterior, const at::Tensor& noise);

/// Bounds of log_var that every encoder keeps.
at::Tensor clamp_log_var(const at::Tensor& log_var);

}  // namespace vae_dist::model
