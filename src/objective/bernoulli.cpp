// The Bernoulli likelihood of values 0 and 1; the decoder outputs the logits.
#include "kernels/bernoulli.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/likelihood.hpp"

namespace vae_dist::objective {
namespace {

constexpr base::LikelihoodTraits kOfBits{.support = base::Support::zero_or_one,
                                         .takes_logits = true};

// Computes the gradient along with the value. Can be differentiated once, by the logits.
struct FusedBernoulliLoss : torch::autograd::Function<FusedBernoulliLoss> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& logits,
                            const at::Tensor& x) {
    const kernels::BernoulliTerms terms = kernels::bernoulli(logits, x, logits.requires_grad());
    ctx->save_for_backward({terms.gradient});
    return terms.negative_log;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list outputs) {
    const at::Tensor of_logits = ctx->get_saved_variables()[0];
    std::vector<std::int64_t> of_samples(static_cast<std::size_t>(of_logits.dim()), 1);
    of_samples[0] = of_logits.size(0);
    return {of_logits * outputs[0].view(of_samples), at::Tensor()};
  }
};

// Returns -log p(x | logits) in nats, summed over the values of a sample: [B]. logits, x: [B, C,
// space...].
at::Tensor bernoulli_loss(const at::Tensor& logits, const at::Tensor& x) {
  if (!x.requires_grad() && kernels::has_bernoulli_kernel(logits, x))
    return FusedBernoulliLoss::apply(logits, x);
  return at::binary_cross_entropy_with_logits(logits, x, {}, {}, at::Reduction::None)
      .flatten(1)
      .sum(1);
}

class Bernoulli : public model::Likelihood {
 public:
  Bernoulli() : Likelihood(kOfBits) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    if (sample.observed.defined())
      return model::sum_of_observed(at::softplus(decoded.output) - sample.x * decoded.output,
                                    sample);
    return bernoulli_loss(decoded.output, sample.x);
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
