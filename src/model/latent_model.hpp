// The interface of a model for training, evaluation and pictures: a latent z, a decoder that
// outputs the parameters of p(x|z), the likelihood with these parameters and, except for a decoder
// alone, an encoder.
//
// Whatever its shape inside the network, z is passed as rows: [B, latent_values].
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/own_buffers.hpp"
#include "base/registered_kinds.hpp"
#include "kernels/convolution_choice.hpp"
#include "model/batch_norm.hpp"
#include "model/likelihood.hpp"
#include "model/sample.hpp"
#include "model/vector_quantizer.hpp"

namespace vae_dist::model {

struct NetworkOptions;

/// q(z|x) = N(mu, exp(log_var)), each [B, latent_values]. An autoencoder's code is a point: log_var
/// is undefined.
struct Posterior {
  at::Tensor mu, log_var;

  bool is_point() const { return !log_var.defined(); }
};

/// The return value of PyTorch-VAE's forward.
struct VaeOutput {
  at::Tensor reconstruction;  ///< [B, C, space...]: the mean of p(x|z)
  at::Tensor input;           ///< [B, C, space...]
  at::Tensor mu, log_var;     ///< [B, latent_values]
};

using OwnBuffers = base::OwnBuffers<at::Tensor>;

class LatentModel : public torch::nn::Module {
 public:
  /// Must equal the kind with which the network was registered (network_registry.hpp), unless that
  /// is a posterior and there is a codebook.
  virtual base::LatentKind latent_kind() const {
    return codes_ ? base::LatentKind::point : base::LatentKind::posterior;
  }
  std::int64_t latent_values() const { return latent_values_; }

  /// Encodes a batch. log_var is clamped to [-30, 20], so that exp neither overflows nor vanishes
  /// in fp32. Throws std::logic_error if there is no encoder.
  Posterior encode(const Sample& sample);

  /// Decodes z: [B, latent_values]; if there is a codebook, each vector of z is replaced by its
  /// nearest code first. `given`: what else the decoder may read, per sample (a
  /// condition); never x.
  Decoded decode(const at::Tensor& z, const Sample& given = {});

  /// Makes encoder and decoder compute convolutions and matrix products in bfloat16 from now on
  /// (autocast.hpp). Their outputs, and so likelihood and KL, remain fp32.
  void use_bfloat16(bool wanted) { uses_bfloat16_ = wanted; }

  /// Makes all convolutions ask `choice` for the ways in which they are computed, from now on. They
  /// begin with the pure table (convolution_choice.hpp).
  void use_convolutions(std::shared_ptr<kernels::ConvolutionChoice> choice);

  /// Returns what the convolutions ask. It knows the shapes that they had in forward.
  kernels::ConvolutionChoice& convolutions() const { return *convolutions_; }

  /// Encodes, samples z and decodes. The caller provides the noise, [B, latent_values]: the model
  /// draws no random numbers. A point latent needs none.
  VaeOutput forward(const Sample& sample);

  /// Buffers that a forward changes, beside those of BatchNorm here and of the codes.
  virtual OwnBuffers own_buffers() const { return {}; }

  /// Whether a forward in training mode draws random numbers of torch's default generator.
  virtual bool draws_numbers() const { return false; }

  /// From now on the numbers that a forward in training mode draws, and those of a loss that draws,
  /// are a function of the step's seed and the number of the replica: of the first one, where a
  /// batch holds several.
  void draw_from(std::uint64_t seed_of_step, std::int64_t replica) {
    seed_of_step_ = seed_of_step;
    replica_ = replica;
  }
  /// Returns a seed, below 2^63, of the draws of replica 0, 1, ... of a batch. In evaluation it is
  /// 0, so that a result does not depend on what was evaluated before it.
  std::uint64_t draw_seed(std::int64_t replica_of_batch = 0) const;

  /// Returns a batch of zeros, as the network takes it, in the type and on the device of its
  /// parameters. Throws std::logic_error unless the network was made by make_network().
  Sample example(std::int64_t samples) const;

  /// To be called by make_network() alone.
  void made_with(const NetworkOptions& options);

  /// Null unless the latent is quantized.
  VectorQuantizer* codes() const { return codes_.get(); }

  Likelihood& likelihood() { return *likelihood_; }
  const Likelihood& likelihood() const { return *likelihood_; }

  /// Returns the batch-norm layers that are not frozen, in registration order.
  std::vector<BatchNorm> batch_norms() const;

  /// Excludes these modules and parameters ("encoder", "decoder.0", "fc_mu.weight") from training
  /// and keeps them in evaluation mode from now on, whatever mode the model is in. Throws
  /// std::invalid_argument, listing the valid names, if the model has no such module or parameter.
  void freeze(const std::vector<std::string>& names);

  void train(bool on = true) override;

 protected:
  /// Sets the likelihood, which becomes the submodule "likelihood" if it has parameters or buffers;
  /// with the default one, the parameters are exactly PyTorch-VAE's. Must be called once, after the
  /// network's own modules are registered.
  void finish(std::int64_t latent_values, std::shared_ptr<Likelihood> likelihood);

  /// Same, of a network whose latent may be quantized: the codebook, if there is one, becomes the
  /// submodule "codes". Throws std::invalid_argument if its vectors do not fit the latent.
  void finish(const LatentShape& latent, std::shared_ptr<Likelihood> likelihood,
              const std::optional<CodebookOptions>& codebook);

  virtual Posterior encode_sample(const Sample& sample) = 0;
  virtual Decoded decode_latents(const at::Tensor& z, const Sample& given) = 0;

 private:
  std::int64_t latent_values_ = 0;
  bool uses_bfloat16_ = false;
  std::uint64_t seed_of_step_ = 0;
  std::int64_t replica_ = 0;
  std::shared_ptr<const NetworkOptions> options_;
  std::shared_ptr<kernels::ConvolutionChoice> convolutions_;
  std::shared_ptr<Likelihood> likelihood_;
  std::shared_ptr<VectorQuantizer> codes_;
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_;
};

/// While this object lives, forwards report no statistics, neither of batch norm nor of codes:
/// another forward of the same batch does (a computation that needs two passes over a batch has
/// this). Batch norm still uses the statistics of the batch.
class SilentForward {
 public:
  explicit SilentForward(const LatentModel& model)
      : layers_(model.batch_norms()), codes_(model.codes()) {
    report(false);
  }
  ~SilentForward() { report(true); }
  SilentForward(const SilentForward&) = delete;
  SilentForward& operator=(const SilentForward&) = delete;

 private:
  void report(bool wanted) {
    for (BatchNorm& layer : layers_) layer->report_statistics(wanted);
    if (codes_) codes_->report_statistics(wanted);
  }

  std::vector<BatchNorm> layers_;
  VectorQuantizer* codes_;
};

/// Returns z = mu + exp(log_var / 2) * noise (the reparameterisation trick: Kingma, Welling 2014,
/// section 2.4). All are [B, latent_values] or broadcast, such as [B, 1, latent_values] with noise
/// [B, K, latent_values]. A point is its own z.
at::Tensor reparameterize(const Posterior& posterior, const at::Tensor& noise);

/// Clamps log_var to the bounds that every encoder keeps.
at::Tensor clamp_log_var(const at::Tensor& log_var);

}  // namespace vae_dist::model
