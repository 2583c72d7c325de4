#include "model/variance_head.hpp"

#include <ATen/ATen.h>

#include "model/likelihood.hpp"
#include "model/residual_network.hpp"

namespace vae_dist::model {

VarianceHead::VarianceHead(torch::nn::Module& owner, const NetworkOptions& options) {
  switch (options.predicted_variance) {
    case base::PredictedVariance::none:
      break;
    case base::PredictedVariance::of_values:
      of_values_ = owner.register_module("log_variance_layer",
                                         conv3x3(options.hidden_dims.at(0), options.channels));
      break;
    case base::PredictedVariance::of_sample:
      of_sample_ =
          owner.register_module("log_variance_layer", Linear(options.hidden_dims.at(0), 1));
      break;
  }
}

at::Tensor VarianceHead::forward(const at::Tensor& features) {
  if (of_sample_.is_empty()) return of_values_->forward(features).clamp_min(kLeastLogVariance);
  return of_sample_->forward(features.mean({2, 3}))
      .view({-1, 1, 1, 1})
      .clamp_min(kLeastSharedLogVariance);
}

}  // namespace vae_dist::model
