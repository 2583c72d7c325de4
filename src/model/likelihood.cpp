#include "model/likelihood.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

namespace vae_dist::model {
namespace {

const double kLog2Pi = std::log(2 * std::numbers::pi);

at::Tensor per_image(const at::Tensor& values) { return values.flatten(1).sum(1); }

// max(x, least) with a gradient that fades instead of breaking off (Chua et al. 2018, appendix A.1, as Rybkin et al. use it).
at::Tensor soft_floor(const at::Tensor& x, double least) { return least + at::softplus(x - least); }

// No error at all has the floor's sigma too, and no gradient: that of log(0) would be no number.
at::Tensor log_sigma_of(const at::Tensor& mean_squared_error) {
  return soft_floor(0.5 * mean_squared_error.clamp_min(std::numeric_limits<float>::min()).log(), Likelihood::kLeastLogSigma);
}

// squared_error: any shape, of `values` values each.
at::Tensor gaussian(const at::Tensor& squared_error, const at::Tensor& log_sigma, double values) {
  return squared_error * (0.5 * (-2 * log_sigma).exp()) + values * (log_sigma + 0.5 * kLog2Pi);
}

double values_of(const at::Tensor& images) { return static_cast<double>(images[0].numel()); }

}  // namespace

Decoded Decoded::narrow(std::int64_t first, std::int64_t count) const {
  return {output.narrow(0, first, count), log_variance.defined() ? log_variance.narrow(0, first, count) : at::Tensor()};
}

Likelihood::Likelihood(const LikelihoodOptions& options) : options_(options) {
  // A tenth of the range: the width of a decoder that has learned only a little.
  if (options_.kind == LikelihoodKind::discretized_logistic)
    log_scale = register_parameter("log_scale", at::full({options_.channels}, std::log(0.1 * (options_.high - options_.low))));
  if (is(Variance::learned)) learned_log_sigma = register_parameter("log_sigma", at::zeros({}));
  if (is(Variance::optimal)) {
    running_mse = register_buffer("running_mse", at::ones({}));
    num_batches_tracked = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  }
}

at::Tensor Likelihood::squared_error(const Decoded& decoded, const at::Tensor& x) { return at::mse_loss(decoded.output, x); }

void Likelihood::blend_into_running(const at::Tensor& step_mse, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  const at::Tensor share = (1.0 / (num_batches_tracked + 1).to(running_mse.scalar_type())).clamp_min(1 - kDecay);
  // Where the step is skipped, its error may be no number.
  running_mse.copy_(at::where(skip.squeeze().to(at::kBool), running_mse, running_mse + share * (step_mse - running_mse)));
  num_batches_tracked.add_((1 - skip).to(at::kLong).squeeze());
}

at::Tensor Likelihood::log_sigma() const {
  if (is(Variance::learned)) return learned_log_sigma;
  if (is(Variance::optimal)) return log_sigma_of(running_mse);
  return at::scalar_tensor(std::log(options_.sigma), at::kDouble);
}

at::Tensor Likelihood::log_sigma_like(const at::Tensor& values) const {
  // Made on the device: a copy from the host would wait for all that the device has to do.
  return is(Variance::fixed) ? at::full({}, std::log(options_.sigma), values.options()) : log_sigma().to(values.options());
}

at::Tensor Likelihood::negative_log(const Decoded& decoded, const at::Tensor& x) const {
  if (options_.kind == LikelihoodKind::bernoulli) return per_image(at::binary_cross_entropy_with_logits(decoded.output, x, {}, {}, at::Reduction::None));
  if (options_.kind == LikelihoodKind::discretized_logistic) return per_image(logistic(decoded.output, x));
  const at::Tensor squares = (decoded.output - x).square();
  if (is(Variance::predicted)) {
    const at::Tensor log_variance = decoded.log_variance;
    return per_image(0.5 * (squares * (-log_variance).exp() + log_variance + kLog2Pi));
  }
  const at::Tensor error = per_image(squares);
  if (is(Variance::optimal) && is_training()) {
    return gaussian(error, log_sigma_of(error.mean() / values_of(x)), values_of(x));
  }
  return gaussian(error, log_sigma_like(error), values_of(x));
}

at::Tensor Likelihood::negative_log_of_pairs(const Decoded& decoded, const at::Tensor& x) const {
  const at::Tensor images = x.flatten(1), output = decoded.output.flatten(1);
  if (options_.kind == LikelihoodKind::bernoulli) return at::softplus(output).sum(1).unsqueeze(0) - images.matmul(output.t());
  if (is(Variance::optimal)) throw std::logic_error("pairs of images and latents have no common error: variance `optimal` has no meaning for them");
  if (is(Variance::fixed) || is(Variance::learned)) {
    // |x - m|^2 as a product of matrices, about the images' mean: smaller numbers cancel with less loss.
    const at::Tensor centre = images.mean(0, /*keepdim=*/true), a = images - centre, b = output - centre;
    const at::Tensor error = (a.square().sum(1, true) + b.square().sum(1).unsqueeze(0) - 2 * a.matmul(b.t())).clamp_min(0);
    return gaussian(error, log_sigma_like(error), values_of(x));
  }
  std::vector<at::Tensor> columns;
  for (std::int64_t k = 0; k < output.size(0); ++k) {
    const Decoded one = decoded.narrow(k, 1);
    columns.push_back(negative_log({one.output.expand_as(x), one.log_variance.defined() ? one.log_variance.expand_as(x) : at::Tensor()}, x));
  }
  return at::stack(columns, 1);
}

at::Tensor Likelihood::logistic(const at::Tensor& mean, const at::Tensor& x) const {
  const double half_bin = 0.5 * (options_.high - options_.low) / 255;
  const at::Tensor inverse_scale = (-log_scale).exp().view({1, -1, 1, 1});
  const at::Tensor upper = (x + half_bin - mean) * inverse_scale, lower = (x - half_bin - mean) * inverse_scale;
  // sigmoid(u) - sigmoid(l) = sigmoid(u) * sigmoid(-l) * (1 - exp(l - u)), whose logarithm is exact however small the difference is.
  const at::Tensor below_upper = at::log_sigmoid(upper), above_lower = at::log_sigmoid(-lower);
  const at::Tensor bin = below_upper + above_lower + (-at::expm1(-2 * half_bin * inverse_scale)).log();
  // The outermost bins are open: all that is darker than black is black.
  return -at::where(x < options_.low + half_bin, below_upper, at::where(x > options_.high - half_bin, above_lower, bin));
}

at::Tensor Likelihood::mean_image(const Decoded& decoded) const { return options_.kind == LikelihoodKind::bernoulli ? at::sigmoid(decoded.output) : decoded.output; }

}  // namespace vae_dist::model
