#include "model/condition.hpp"

#include <ATen/ATen.h>

#include <stdexcept>
#include <string>

namespace vae_dist::model {
namespace {

// The condition as rows of the type that the network computes with.
at::Tensor condition_of(const Sample& sample, at::ScalarType type, std::int64_t values) {
  if (!sample.condition.defined())
    throw std::logic_error("the network is conditional, but the batch has no condition");
  if (sample.condition.dim() != 2 || sample.condition.size(1) != values)
    throw std::logic_error("the network takes " + std::to_string(values) +
                           " values of condition, but the batch has another number");
  return sample.condition.to(type);
}

}  // namespace

at::Tensor with_condition(const at::Tensor& rows, const Sample& sample,
                          std::int64_t condition_values) {
  if (condition_values == 0) return rows;
  return at::cat({rows, condition_of(sample, rows.scalar_type(), condition_values)}, 1);
}

at::Tensor with_condition_everywhere(const at::Tensor& map, const Sample& sample,
                                     std::int64_t condition_values) {
  if (condition_values == 0) return map;
  std::vector<std::int64_t> sizes = map.sizes().vec();
  sizes[1] = condition_values;
  std::vector<std::int64_t> at_each(sizes.size(), 1);
  at_each[0] = sizes[0];
  at_each[1] = condition_values;
  const at::Tensor everywhere =
      condition_of(sample, map.scalar_type(), condition_values).view(at_each).expand(sizes);
  return at::cat({map, everywhere}, 1);
}

ConditionChannel::ConditionChannel(torch::nn::Module& owner, const NetworkOptions& options)
    : values_(options.condition_values),
      channels_(options.input_channels()),
      space_(options.space) {
  if (values_ == 0) return;
  embed_class_ = owner.register_module("embed_class", Linear(values_, positions_in(space_)));
  embed_data_ =
      owner.register_module("embed_data", conv1(channels_, channels_, options.space.size()));
  ++channels_;
}

at::Tensor ConditionChannel::joined(const Sample& sample) {
  if (values_ == 0) return sample.input();
  const at::Tensor channel =
      embed_class_->forward(condition_of(sample, sample.input().scalar_type(), values_))
          .view(batch_shape(1, space_));
  // The memory format of joined tensors is that of the input, whatever cat() makes of a single
  // channel.
  return at::cat({embed_data_->forward(sample.input()), channel}, 1)
      .contiguous(sample.input().suggest_memory_format());
}

}  // namespace vae_dist::model
