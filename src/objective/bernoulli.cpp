// The Bernoulli likelihood of values 0 and 1; the decoder outputs the logits.
#include <ATen/ATen.h>

#include "model/bernoulli_loss.hpp"
#include "model/likelihood.hpp"

namespace vae_dist::objective {
namespace {

constexpr base::LikelihoodTraits kOfBits{.support = base::Support::zero_or_one,
                                         .takes_logits = true};

class Bernoulli : public model::Likelihood {
 public:
  Bernoulli() : Likelihood(kOfBits) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    if (sample.observed.defined())
      return model::sum_of_observed(at::softplus(decoded.output) - sample.x * decoded.output,
                                    sample);
    return model::bernoulli_loss(decoded.output, sample.x);
  }

  at::Tensor negative_log_of_pairs(const model::Decoded& decoded,
                                   const model::Sample& sample) const override {
    if (sample.observed.defined()) return Likelihood::negative_log_of_pairs(decoded, sample);
    const at::Tensor logits = decoded.output.flatten(1);
    return at::softplus(logits).sum(1).unsqueeze(0) - sample.x.flatten(1).matmul(logits.t());
  }

  at::Tensor draw(const model::Decoded& decoded, const model::Sample&,
                  at::Generator& generator) const override {
    return at::bernoulli(at::sigmoid(decoded.output.cpu()), generator);
  }

  at::Tensor mean_image(const model::Decoded& decoded, const model::Sample&) const override {
    return at::sigmoid(decoded.output);
  }
};

const model::RegisteredLikelihood kBernoulli(
    {{.name = "bernoulli", .help = "values 0 and 1; the decoder outputs their logits"},
     [](const std::any&) { return kOfBits; }},
    [](const model::LikelihoodRequest&) { return std::make_shared<Bernoulli>(); });

}  // namespace
}  // namespace vae_dist::objective
