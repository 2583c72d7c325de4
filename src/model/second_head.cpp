#include "model/second_head.hpp"

#include <ATen/ATen.h>

namespace vae_dist::model {

using Of = base::SecondHead::Of;

SecondHead::SecondHead(torch::nn::Module& owner, const NetworkOptions& options)
    : wanted_(options.second_head), dimensions_(options.space.size()) {
  const std::int64_t features = options.hidden_dims.at(0);
  if (wanted_.of == Of::values)
    of_values_ =
        owner.register_module(wanted_.layer, conv3(features, options.channels, dimensions_));
  if (wanted_.of == Of::sample)
    of_sample_ = owner.register_module(wanted_.layer, Linear(features, 1));
}

at::Tensor SecondHead::forward(const at::Tensor& features) {
  if (of_sample_.is_empty()) return of_values_->forward(features).clamp_min(wanted_.least);
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 2; axis < features.dim(); ++axis) axes.push_back(axis);
  return of_each_sample(of_sample_->forward(features.mean(axes)), dimensions_)
      .clamp_min(wanted_.least);
}

}  // namespace vae_dist::model
