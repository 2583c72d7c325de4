#include "disentanglement/linear_classifier.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/optim/lbfgs.h>

#include "base/error.hpp"

namespace vae_dist::disentanglement {

LinearClassifier LinearClassifier::fit(const at::Tensor& features, const at::Tensor& labels,
                                       std::int64_t classes) {
  const auto rows = static_cast<double>(features.size(0));
  const at::Tensor target = at::one_hot(labels, classes).to(at::kDouble);
  // Centring the features decouples the bias from the weights. This only speeds up convergence,
  // because the bias is not penalised.
  const at::Tensor centre = features.mean(0);
  const at::Tensor centred = features - centre;

  at::Tensor weight = at::zeros({classes, features.size(1)}, at::kDouble).set_requires_grad(true);
  at::Tensor bias = at::zeros({classes}, at::kDouble).set_requires_grad(true);
  torch::optim::LBFGS optimizer({weight, bias}, torch::optim::LBFGSOptions(1.0)
                                                    .max_iter(1000)
                                                    .max_eval(5000)
                                                    .tolerance_grad(1e-7)
                                                    .tolerance_change(1e-12)
                                                    .history_size(20)
                                                    .line_search_fn("strong_wolfe"));
  // The objective is divided by the number of rows, so the tolerances mean the same for any number
  // of rows.
  optimizer.step([&] {
    const at::NoGradGuard by_hand;
    const at::Tensor log_p = at::addmm(bias, centred, weight.t()).log_softmax(1);
    const at::Tensor slope = (log_p.exp() - target) / rows;
    weight.mutable_grad() = at::addmm(weight, slope.t(), centred, 1.0 / rows, 1.0);
    bias.mutable_grad() = slope.sum(0);
    return (weight.square().sum() / 2 - (log_p * target).sum()) / rows;
  });

  const at::NoGradGuard no_grad;
  LinearClassifier classifier;
  classifier.weight_ = weight.detach();
  classifier.bias_ = bias.detach() - classifier.weight_.mv(centre);
  classifier.bias_ -= classifier.bias_.mean();
  if (!classifier.weight_.isfinite().all().item<bool>() ||
      !classifier.bias_.isfinite().all().item<bool>())
    throw base::Failure(base::text("the linear classifier of ", features.size(0), " rows with ",
                                   features.size(1),
                                   " features did not converge: its weights are not finite"));
  return classifier;
}

at::Tensor LinearClassifier::predict(const at::Tensor& features) const {
  return at::addmm(bias_, features, weight_.t()).argmax(1);
}

double LinearClassifier::accuracy(const at::Tensor& features, const at::Tensor& labels) const {
  return predict(features).eq(labels).to(at::kDouble).mean().item<double>();
}

}  // namespace vae_dist::disentanglement
