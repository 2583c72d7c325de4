// The zero-inflated negative binomial likelihood of counts: with the probability sigmoid(pi), of
// each value from the decoder's second head, a count is not seen and zero is stored (Lopez et al.
// 2018, "Deep generative modeling for single-cell transcriptomics"; scvi-tools: gene_likelihood
// "zinb", dispersion "gene").
#include <ATen/ATen.h>

#include "objective/counts.hpp"

namespace vae_dist::objective {
namespace {

base::LikelihoodTraits traits_with_zeros() {
  base::LikelihoodTraits traits = count_traits();
  traits.second_head = {.of = base::SecondHead::Of::values, .layer = "zero_logits_layer"};
  return traits;
}

class ZeroInflatedNegativeBinomial : public model::Likelihood {
 public:
  explicit ZeroInflatedNegativeBinomial(const model::LikelihoodRequest& wanted)
      : Likelihood(traits_with_zeros()),
        own_(wanted.settings<CountSettings>()),
        log_theta_(register_parameter("log_theta", at::zeros({wanted.values}))) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor x = sample.x.flatten(1), log_mu = log_rates(decoded.output, sample);
    const at::Tensor log_p = log_negative_binomial(x, log_mu, log_theta_.to(log_mu.scalar_type()));
    return nats_of(log_zero_inflated(x, log_p, decoded.second.flatten(1)), sample);
  }

  at::Tensor draw(const model::Decoded& decoded, const model::Sample& given,
                  at::Generator& generator) const override {
    const at::Tensor counts = draw_dispersed_counts(
        rates(decoded.output, given, own_.generated_total), log_theta_, generator);
    return counts * at::bernoulli(at::sigmoid(-decoded.second.cpu()), generator);
  }

  at::Tensor mean_image(const model::Decoded& decoded, const model::Sample& given) const override {
    return rates(decoded.output, given, own_.generated_total) * at::sigmoid(-decoded.second);
  }

 private:
  CountSettings own_;
  at::Tensor log_theta_;  // [V], parameter
};

const model::RegisteredLikelihood kZeroInflatedNegativeBinomial(
    {{.name = "zero_inflated_negative_binomial",
      .help = "negative_binomial, of whose counts some are not seen: the decoder predicts the "
              "logit of each value's extra zeros",
      .own = count_keys()},
     [](const std::any&) { return traits_with_zeros(); }},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<ZeroInflatedNegativeBinomial>(wanted);
    });

}  // namespace
}  // namespace vae_dist::objective
