// The discretized logistic likelihood of byte images: the probability of each level's bin under a
// logistic distribution centred at the decoder's output, with one learned log scale per channel
// (Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow", appendix
// C; Salimans et al. 2017, eq. 2).
#include <ATen/ATen.h>

#include <cmath>

#include "model/likelihood.hpp"
#include "model/space.hpp"

namespace vae_dist::objective {
namespace {

constexpr base::LikelihoodTraits kOfBytes{.support = base::Support::byte_levels};

class DiscretizedLogistic : public model::Likelihood {
 public:
  // The initial scale, a tenth of the range, suits a decoder that has learned only a little.
  explicit DiscretizedLogistic(const model::LikelihoodRequest& wanted)
      : Likelihood(kOfBytes),
        low_(wanted.low),
        high_(wanted.high),
        log_scale_(register_parameter(
            "log_scale", at::full({wanted.channels}, std::log(0.1 * (wanted.high - wanted.low))))) {
  }

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor &x = sample.x, &mean = decoded.output;
    const double half_bin = 0.5 * (high_ - low_) / 255;
    const at::Tensor inverse_scale = model::of_each_channel((-log_scale_).exp(), x);
    const at::Tensor upper = (x + half_bin - mean) * inverse_scale,
                     lower = (x - half_bin - mean) * inverse_scale;
    // sigmoid(u) - sigmoid(l) = sigmoid(u) * sigmoid(-l) * (1 - exp(l - u)). The logarithm of the
    // right-hand side is exact no matter how small the difference is.
    const at::Tensor below_upper = at::log_sigmoid(upper), above_lower = at::log_sigmoid(-lower);
    const at::Tensor bin =
        below_upper + above_lower + (-at::expm1(-2 * half_bin * inverse_scale)).log();
    // The outermost bins are unbounded: everything darker than black counts as black.
    return (-at::where(x < low_ + half_bin, below_upper,
                       at::where(x > high_ - half_bin, above_lower, bin)))
        .flatten(1)
        .sum(1);
  }

  // A draw of the logistic distribution, in the bin that it falls into.
  at::Tensor draw(const model::Decoded& decoded, const model::Sample&,
                  at::Generator& generator) const override {
    const at::Tensor mean = decoded.output.cpu();
    const at::Tensor u = at::rand(mean.sizes(), generator, mean.options()).clamp(1e-7, 1 - 1e-7);
    const at::Tensor drawn =
        mean + model::of_each_channel(log_scale_.cpu().exp(), mean) * u.logit();
    const double bin = (high_ - low_) / 255;
    return ((drawn - low_) / bin).round().clamp(0, 255) * bin + low_;
  }

 private:
  double low_, high_;
  at::Tensor log_scale_;  // [C], parameter
};

const model::RegisteredLikelihood kDiscretizedLogistic(
    {{.name = "discretized_logistic",
      .help = "the 256 levels of bytes, with one learned log-scale per channel"},
     [](const std::any&) { return kOfBytes; }},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<DiscretizedLogistic>(wanted);
    });

}  // namespace
}  // namespace vae_dist::objective
