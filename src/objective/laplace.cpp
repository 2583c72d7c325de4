// The Laplace likelihood, with density exp(-|x - m| / b) / (2 b): the absolute error, which
// outliers move less than the squared error of a Gaussian.
#include "objective/laplace.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "model/likelihood.hpp"
#include "model/space.hpp"

namespace vae_dist::objective {
namespace {

// Lower bound of the predicted log scale of a single value: b >= 0.05. Without it, single values
// that hardly vary would dominate the loss.
constexpr double kLeastLogScale = -3.0;

base::LikelihoodTraits traits_of(const LaplaceSettings& own) {
  base::LikelihoodTraits traits;
  if (own.spread == Spread::predicted)
    traits.second_head = {
        .of = base::SecondHead::Of::values, .layer = "log_scale_layer", .least = kLeastLogScale};
  return traits;
}

class Laplace : public model::Likelihood {
 public:
  explicit Laplace(const model::LikelihoodRequest& wanted)
      : Likelihood(traits_of(wanted.settings<LaplaceSettings>())),
        own_(wanted.settings<LaplaceSettings>()) {
    if (own_.spread == Spread::learned)
      learned_log_scale_ = register_parameter("log_scale", at::zeros({wanted.channels}));
  }

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor error = (sample.x - decoded.output).abs();
    if (own_.spread == Spread::fixed)
      return model::sum_of_observed(error, sample) / own_.scale +
             model::observed_values(sample) * std::log(2 * own_.scale);
    const at::Tensor log_scale =
        own_.spread == Spread::predicted
            ? decoded.second
            : model::of_each_channel(learned_log_scale_.to(error.scalar_type()), error);
    return model::sum_of_observed(error * (-log_scale).exp() + log_scale + std::log(2.0), sample);
  }

  // The difference of two exponential numbers.
  at::Tensor draw(const model::Decoded& decoded, const model::Sample&,
                  at::Generator& generator) const override {
    const at::Tensor mean = decoded.output.cpu();
    const at::Tensor difference = at::empty_like(mean).exponential_(1, generator) -
                                  at::empty_like(mean).exponential_(1, generator);
    if (own_.spread == Spread::fixed) return mean + own_.scale * difference;
    const at::Tensor log_scale =
        own_.spread == Spread::predicted
            ? decoded.second.cpu()
            : model::of_each_channel(learned_log_scale_.cpu().to(mean.scalar_type()), mean);
    return mean + log_scale.exp() * difference;
  }

 private:
  LaplaceSettings own_;
  at::Tensor learned_log_scale_;  // [C], parameter
};

const model::RegisteredLikelihood kLaplace(
    {{.name = "laplace",
      .help = "the absolute error: density exp(-|x - output| / b) / (2 b)",
      .own = base::own_keys<LaplaceSettings>([](base::Section& keys, LaplaceSettings& own) {
        keys.choice("spread", own.spread,
                    {{"fixed", Spread::fixed},
                     {"learned", Spread::learned},
                     {"predicted", Spread::predicted}},
                    "b. fixed: `scale`; learned: one log b per channel; predicted: the decoder "
                    "predicts log b of each value, at least -3");
        keys.key("scale", own.scale, "b for spread fixed, in data units: the mean absolute error")
            .at_least(1e-15)
            .at_most(1e15)
            .counts_when("its spread fixed", [&own] { return own.spread == Spread::fixed; });
      })},
     [](const std::any& own) { return traits_of(std::any_cast<const LaplaceSettings&>(own)); }},
    [](const model::LikelihoodRequest& wanted) { return std::make_shared<Laplace>(wanted); });

}  // namespace
}  // namespace vae_dist::objective
