#include "objective/gaussian.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "model/likelihood.hpp"

namespace vae_dist::objective {
namespace {

constexpr double kMinLogSigma = -6.0;  // soft lower bound, for Variance::optimal
constexpr double kDecay = 0.99;        // of the running mean squared error

// Lower bound of the predicted log sigma^2 of a single value. Without it, single values that are
// always black would dominate the loss.
constexpr double kLeastLogVariance = -6.0;

// Lower bound of a predicted log sigma^2 that all values of a sample share. No single value can
// take it over, so the bound only keeps the density of a flawless reconstruction finite: sigma
// 0.0025 is below a step of 256 levels on [0, 1].
constexpr double kLeastSharedLogVariance = -12.0;

const double kLog2Pi = std::log(2 * std::numbers::pi);

// A smooth max(x, least): below `least` the gradient fades instead of dropping to zero (Chua et al.
// 2018, appendix A.1, as used by Rybkin et al.).
at::Tensor soft_floor(const at::Tensor& x, double least) { return least + at::softplus(x - least); }

// An error of exactly zero is clamped, so it has no gradient: the gradient of log(0) would be NaN.
at::Tensor log_sigma_of(const at::Tensor& mean_squared_error) {
  return soft_floor(0.5 * mean_squared_error.clamp_min(std::numeric_limits<float>::min()).log(),
                    kMinLogSigma);
}

// squared_error: any shape; each element is a sum over `values` values, a number or one of each.
template <typename Values>
at::Tensor nats_of_error(const at::Tensor& squared_error, const at::Tensor& log_sigma,
                         const Values& values) {
  return squared_error * (0.5 * (-2 * log_sigma).exp()) + values * (log_sigma + 0.5 * kLog2Pi);
}

double values_of(const at::Tensor& x) { return static_cast<double>(x[0].numel()); }

base::LikelihoodTraits traits_of(const GaussianSettings& own) {
  base::LikelihoodTraits traits;
  if (own.variance == Variance::fixed) traits.fixed_sigma = own.sigma;
  if (own.variance == Variance::predicted)
    traits.second_head = {.of = base::SecondHead::Of::values, .least = kLeastLogVariance};
  if (own.variance == Variance::predicted_shared)
    traits.second_head = {.of = base::SecondHead::Of::sample, .least = kLeastSharedLogVariance};
  traits.follows_error = own.variance == Variance::optimal;
  return traits;
}

class Gaussian : public model::Likelihood {
 public:
  explicit Gaussian(const GaussianSettings& own) : Likelihood(traits_of(own)), own_(own) {
    if (own.variance == Variance::learned)
      learned_log_sigma_ = register_parameter("log_sigma", at::zeros({}));
    if (own.variance != Variance::optimal) return;
    running_mse_ = register_buffer("running_mse", at::ones({}));
    num_batches_tracked_ = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  }

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor& x = sample.x;
    const at::Tensor squares = (decoded.output - x).square();
    if (own_.variance == Variance::predicted) {
      const at::Tensor& log_variance = decoded.second;
      return model::sum_of_observed(
          0.5 * (squares * (-log_variance).exp() + log_variance + kLog2Pi), sample);
    }
    const at::Tensor error = model::sum_of_observed(squares, sample);
    return sample.observed.defined() ? nats_of(decoded, error, model::observed_values(sample))
                                     : nats_of(decoded, error, values_of(x));
  }

  // With one sigma for all values of a sample, a single matrix product gives all pairs.
  at::Tensor negative_log_of_pairs(const model::Decoded& decoded,
                                   const model::Sample& sample) const override {
    const at::Tensor& x = sample.x;
    if (own_.variance == Variance::optimal)
      throw std::logic_error(
          "variance `optimal` is undefined for pairs of images and latents: they share no error");
    if (own_.variance == Variance::predicted || sample.observed.defined())
      return Likelihood::negative_log_of_pairs(decoded, sample);
    // Subtracting the images' mean first reduces the cancellation error of |x - m|^2.
    const at::Tensor images = x.flatten(1), centre = images.mean(0, /*keepdim=*/true),
                     a = images - centre, b = decoded.output.flatten(1) - centre;
    const at::Tensor error =
        (a.square().sum(1, true) + b.square().sum(1).unsqueeze(0) - 2 * a.matmul(b.t()))
            .clamp_min(0);
    // Of K latents' log sigma, [K], each applies to a column of the errors.
    return nats_of_error(error,
                         own_.variance == Variance::predicted_shared ? shared_log_sigma(decoded)
                                                                     : log_sigma_like(error),
                         values_of(x));
  }

  at::Tensor draw(const model::Decoded& decoded, const model::Sample&,
                  at::Generator& generator) const override {
    const at::Tensor mean = decoded.output.cpu();
    const at::Tensor log_sigma =
        decoded.second.defined() ? 0.5 * decoded.second.cpu() : log_sigma_like(mean);
    return mean + log_sigma.exp() * at::randn(mean.sizes(), generator, mean.options());
  }

  at::Tensor negative_log_of_means(const at::Tensor& means, bool per_value) const override {
    if (own_.variance != Variance::optimal)
      return Likelihood::negative_log_of_means(means, per_value);
    const at::Tensor of_value = means[2], log_sigma = log_sigma_of(of_value);
    return per_value ? nats_of_error(of_value, log_sigma, 1.0)
                     : nats_of_error(means[0], log_sigma, means[1]);
  }

  // The first 1 / (1 - kDecay) steps form a plain mean, which forgets the initial value.
  void blend_into_running(const at::Tensor& step_mse, const at::Tensor& skip) override {
    if (own_.variance != Variance::optimal) return;
    const at::NoGradGuard no_grad;
    const at::Tensor share =
        (1.0 / (num_batches_tracked_ + 1).to(running_mse_.scalar_type())).clamp_min(1 - kDecay);
    // The error of a skipped step may be NaN, so it must be selected, not multiplied by zero.
    running_mse_.copy_(at::where(skip.squeeze().to(at::kBool), running_mse_,
                                 running_mse_ + share * (step_mse - running_mse_)));
    num_batches_tracked_.add_((1 - skip).to(at::kLong).squeeze());
  }

 private:
  // -log p of samples whose squared errors, [B], are sums over `values` values each.
  template <typename Values>
  at::Tensor nats_of(const model::Decoded& decoded, const at::Tensor& error,
                     const Values& values) const {
    if (own_.variance == Variance::predicted_shared)
      return nats_of_error(error, shared_log_sigma(decoded), values);
    if (own_.variance == Variance::optimal && is_training())
      return nats_of_error(error, log_sigma_of(mean_error(error, values)), values);
    return nats_of_error(error, log_sigma_like(error), values);
  }

  static at::Tensor mean_error(const at::Tensor& error, double values) {
    return error.mean() / values;
  }
  static at::Tensor mean_error(const at::Tensor& error, const at::Tensor& values) {
    return (error / values).mean();
  }

  // Returns the log sigma of each decoded latent, [B].
  static at::Tensor shared_log_sigma(const model::Decoded& decoded) {
    return 0.5 * decoded.second.view(-1);
  }

  // Returns log sigma as used in evaluation, with the type and device of `values`.
  at::Tensor log_sigma_like(const at::Tensor& values) const {
    if (own_.variance == Variance::learned) return learned_log_sigma_.to(values.options());
    if (own_.variance == Variance::optimal) return log_sigma_of(running_mse_).to(values.options());
    // Created on the device: a copy from the host would wait for all queued work.
    return at::full({}, std::log(own_.sigma), values.options());
  }

  GaussianSettings own_;
  at::Tensor learned_log_sigma_;                  // scalar, parameter
  at::Tensor running_mse_, num_batches_tracked_;  // scalars, buffers; the count is int64
};

const model::RegisteredLikelihood kGaussian(
    {{.name = "gaussian",
      .help = "N(output, sigma^2)",
      .own = base::own_keys<GaussianSettings>([](base::Section& keys, GaussianSettings& own) {
        keys.choice(
            "variance", own.variance,
            {{"fixed", Variance::fixed},
             {"learned", Variance::learned},
             {"optimal", Variance::optimal},
             {"predicted", Variance::predicted},
             {"predicted_shared", Variance::predicted_shared}},
            "learned: one log sigma for all values; optimal: sigma^2 is the MSE of the batch "
            "(objective.scope), and evaluation uses its running mean; predicted: the decoder "
            "predicts log sigma^2 of each "
            "value, at least -6; predicted_shared: one log sigma^2 for all values of a sample, at "
            "least -12");
        keys.key("sigma", own.sigma,
                 "standard deviation for variance fixed, in data units; used by reduction sum, the "
                 "ELBO and log p; reduction mean ignores it, as PyTorch-VAE does")
            .at_least(1e-15)
            .at_most(1e15)
            .counts_when("its variance fixed", [&own] { return own.variance == Variance::fixed; });
      })},
     [](const std::any& own) { return traits_of(std::any_cast<const GaussianSettings&>(own)); }},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<Gaussian>(wanted.settings<GaussianSettings>());
    });

}  // namespace
}  // namespace vae_dist::objective
