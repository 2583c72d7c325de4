#include "model/bernoulli_loss.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/bernoulli.hpp"

namespace vae_dist::model {
namespace {

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

}  // namespace

at::Tensor bernoulli_loss(const at::Tensor& logits, const at::Tensor& x) {
  if (!x.requires_grad() && kernels::has_bernoulli_kernel(logits, x))
    return FusedBernoulliLoss::apply(logits, x);
  return at::binary_cross_entropy_with_logits(logits, x, {}, {}, at::Reduction::None)
      .flatten(1)
      .sum(1);
}

}  // namespace vae_dist::model
