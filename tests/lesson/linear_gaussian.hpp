// A decoder x = W z + b with noise of one sigma, for which log p(x), the true posterior and every
// gradient are known (Tipping, Bishop 1999), beside a q(z|x) that is given for each image.
#pragma once

#include <ATen/ATen.h>

#include <numbers>

#include "model/latent_model.hpp"
#include "objective/gaussian.hpp"

namespace vae_dist::lesson {

class LinearGaussian final : public model::LatentModel {
 public:
  static constexpr std::int64_t kValues = 12;  // of an image of 1 x 3 x 4

  LinearGaussian(double sigma, const at::Tensor& mu, const at::Tensor& log_var)
      : weight_(at::sin(at::arange(2 * kValues, at::kDouble)).view({kValues, 2})),
        offset_(at::cos(at::arange(kValues, at::kDouble))),
        sigma_(sigma),
        mu_(register_parameter("mu", mu)),
        log_var_(register_parameter("log_var", log_var)) {
    finish(2,
           model::make_likelihood(
               "gaussian", {.own = objective::GaussianSettings{objective::Variance::fixed, sigma},
                            .channels = 1}));
  }

  /// log N(x; b, W W^T + sigma^2 I): [B].
  at::Tensor log_p(const at::Tensor& images) const {
    const at::Tensor covariance =
        weight_.matmul(weight_.t()) + sigma_ * sigma_ * at::eye(kValues, at::kDouble);
    return log_normal(images.flatten(1) - offset_, covariance);
  }

  /// p(z|x) = N(mean, covariance): [B, 2] and [2, 2].
  at::Tensor posterior_covariance() const {
    return at::inverse(at::eye(2, at::kDouble) + weight_.t().matmul(weight_) / (sigma_ * sigma_));
  }
  at::Tensor posterior_mean(const at::Tensor& images) const {
    return (images.flatten(1) - offset_).matmul(weight_).matmul(posterior_covariance()) /
           (sigma_ * sigma_);
  }

  /// KL(q(z|x) || p(z|x)) of two Gaussians: [B].
  at::Tensor kl_to_posterior(const at::Tensor& images) const {
    const at::Tensor precision = at::inverse(posterior_covariance());
    const at::Tensor apart = mu_ - posterior_mean(images), variance = log_var_.exp();
    const at::Tensor trace = variance.matmul(precision.diagonal());
    return (0.5 * (trace + (apart.matmul(precision) * apart).sum(1) - 2 - at::logdet(precision) -
                   log_var_.sum(1)))
        .detach();
  }

  /// The gradient of the mean over images of E_q[log p(x|z)] with respect to mu and log_var, [B,
  /// 4].
  at::Tensor gradient(const at::Tensor& images) const {
    const at::Tensor error = mu_.matmul(weight_.t()) + offset_ - images.flatten(1);
    const at::Tensor of_mu = -error.matmul(weight_) / (sigma_ * sigma_),
                     of_log_var =
                         -0.5 * weight_.square().sum(0) * log_var_.exp() / (sigma_ * sigma_);
    return (at::cat({of_mu, of_log_var}, 1) / static_cast<double>(images.size(0))).detach();
  }

  /// The variance of the reparameterised gradient of that mean, from one draw, summed over mu and
  /// log_var. With M = W^T W / sigma^2, c the gradient at the mean of q and s its deviations, a
  /// draw's gradient of mu is -(c + M s eps), and of log_var that times s eps / 2.
  double path_variance(const at::Tensor& images) const {
    const at::Tensor m = weight_.t().matmul(weight_) / (sigma_ * sigma_),
                     c = (mu_.matmul(weight_.t()) + offset_ - images.flatten(1)).matmul(weight_) /
                         (sigma_ * sigma_),
                     s2 = log_var_.exp();
    const at::Tensor of_mu = s2.matmul(m.square()),
                     of_log_var = 0.25 * s2 * (c.square() + of_mu + m.diagonal().square() * s2);
    const auto count = static_cast<double>(images.size(0));
    return (of_mu + of_log_var).sum().item<double>() / (count * count);
  }

 private:
  static at::Tensor log_normal(const at::Tensor& error, const at::Tensor& covariance) {
    const at::Tensor squared = (error.matmul(at::inverse(covariance)) * error).sum(1);
    return -0.5 * (squared + at::logdet(2 * std::numbers::pi * covariance));
  }

  model::Posterior encode_sample(const model::Sample&) override { return {mu_ * 1, log_var_ * 1}; }
  model::Decoded decode_latents(const at::Tensor& z, const model::Sample&) override {
    return {(z.matmul(weight_.t()) + offset_).view({-1, 1, 3, 4}), {}};
  }

  at::Tensor weight_, offset_;
  double sigma_;
  at::Tensor mu_, log_var_;
};

/// Images as the decoder makes them, with noise of its sigma: [count, 1, 3, 4].
inline at::Tensor linear_images(std::int64_t count) {
  return at::sin(7 * at::arange(count * LinearGaussian::kValues, at::kDouble))
      .view({count, 1, 3, 4});
}

}  // namespace vae_dist::lesson
