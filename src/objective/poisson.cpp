// The Poisson likelihood of counts, with rates that are shares of the sample's total (counts.hpp).
#include <ATen/ATen.h>

#include "objective/counts.hpp"

namespace vae_dist::objective {
namespace {

class Poisson : public model::Likelihood {
 public:
  explicit Poisson(const CountSettings& own) : Likelihood(count_traits()), own_(own) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor x = sample.x.flatten(1), log_mu = log_rates(decoded.output, sample);
    return nats_of(x * log_mu - log_mu.exp() - at::lgamma(x + 1), sample);
  }

  // The rates of a sample sum to its total, whatever z is. So one matrix product gives all pairs.
  at::Tensor negative_log_of_pairs(const model::Decoded& decoded,
                                   const model::Sample& sample) const override {
    if (sample.observed.defined()) return Likelihood::negative_log_of_pairs(decoded, sample);
    const at::Tensor x = sample.x.flatten(1), total = x.sum(1, /*keepdim=*/true);
    const at::Tensor of_shares = x.matmul(decoded.output.flatten(1).log_softmax(1).t());
    const at::Tensor of_sample =
        nats_of(-at::lgamma(x + 1), sample).unsqueeze(1) + total - at::xlogy(total, total);
    return of_sample - of_shares;
  }

  at::Tensor draw(const model::Decoded& decoded, const model::Sample& given,
                  at::Generator& generator) const override {
    return draw_counts(mean_image(decoded, given), generator);
  }

  at::Tensor mean_image(const model::Decoded& decoded, const model::Sample& given) const override {
    return rates(decoded.output, given, own_.generated_total);
  }

 private:
  CountSettings own_;
};

const model::RegisteredLikelihood kPoisson(
    {{.name = "poisson",
      .help = "counts of a Poisson distribution; the rates are the softmax of the decoder's output "
              "over all values, times the sample's total",
      .own = count_keys()},
     [](const std::any&) { return count_traits(); }},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<Poisson>(wanted.settings<CountSettings>());
    });

}  // namespace
}  // namespace vae_dist::objective
