// The negative binomial likelihood of counts, with rates that are shares of the sample's total
// (counts.hpp) and an inverse dispersion of each value that all samples share (scvi-tools:
// gene_likelihood "nb", dispersion "gene").
#include <ATen/ATen.h>

#include "objective/counts.hpp"

namespace vae_dist::objective {
namespace {

class NegativeBinomial : public model::Likelihood {
 public:
  explicit NegativeBinomial(const model::LikelihoodRequest& wanted)
      : Likelihood(count_traits()),
        own_(wanted.settings<CountSettings>()),
        log_theta_(register_parameter("log_theta", at::zeros({wanted.values}))) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor log_mu = log_rates(decoded.output, sample);
    return nats_of(
        log_negative_binomial(sample.x.flatten(1), log_mu, log_theta_.to(log_mu.scalar_type())),
        sample);
  }

  at::Tensor draw(const model::Decoded& decoded, const model::Sample& given,
                  at::Generator& generator) const override {
    return draw_dispersed_counts(mean_image(decoded, given), log_theta_, generator);
  }

  at::Tensor mean_image(const model::Decoded& decoded, const model::Sample& given) const override {
    return rates(decoded.output, given, own_.generated_total);
  }

 private:
  CountSettings own_;
  at::Tensor log_theta_;  // [V], parameter
};

const model::RegisteredLikelihood kNegativeBinomial(
    {{.name = "negative_binomial",
      .help = "counts with the rates of poisson, and a learned inverse dispersion of each value: "
              "the variance is mu + mu^2 / theta",
      .own = count_keys()},
     [](const std::any&) { return count_traits(); }},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<NegativeBinomial>(wanted);
    });

}  // namespace
}  // namespace vae_dist::objective
