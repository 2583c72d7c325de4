#include "parallel/gradient_reducer.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "base/error.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::parallel {

using torch::autograd::variable_list;
using torch::autograd::utils::LambdaPostHook;

GradientReducer::GradientReducer(ReducerParts parts, const ReducerOptions& options)
    : parameters_(parts.parameters),
      statistics_(std::move(parts.statistics)),
      exchange_(std::move(parts.exchange)),
      options_(options),
      buckets_(
          plan_buckets(parameters_.slots(), parameters_.gradients().element_size(), options.caps)),
      bucket_of_slot_(parameters_.slots().size()) {
  for (std::size_t b = 0; b < buckets_.size(); ++b)
    for (std::size_t slot = buckets_[b].first_slot; slot < buckets_[b].last_slot; ++slot)
      bucket_of_slot_[slot] = b;
  if (exchange_) {
    const comm::Buffer gradients = buffer_of(parameters_.gradients());
    const std::size_t element = comm::size_of(
        options_.wire == comm::Wire::bf16 ? comm::DataType::bfloat16 : gradients.type);
    bytes_per_step_ =
        static_cast<std::size_t>(gradients.count) * element + buffer_of(statistics_).bytes();
  }
  if (options_.reproducible && options_.batches > 1) {
    gradient_tree_.emplace(parameters_.gradients(), options_.batches);
    statistics_tree_.emplace(statistics_, options_.batches);
  }

  for (std::size_t slot = 0; slot < parts.leaves.size(); ++slot) {
    const at::Tensor& parameter = parts.leaves[slot].second;
    // A parameter's accumulator lives only while something holds a reference to it. Its hook runs
    // once .grad is set.
    Leaf leaf{parameter, parameters_.gradient(slot),
              torch::autograd::impl::grad_accumulator(parameter)};
    leaf.hook = leaf.accumulator->add_post_hook(std::make_unique<LambdaPostHook>(
        [this, slot](const variable_list& outputs, const variable_list&) {
          arrived(slot);
          return outputs;
        }));
    leaves_.push_back(std::move(leaf));
  }
}

GradientReducer::~GradientReducer() {
  for (const Leaf& leaf : leaves_) leaf.accumulator->del_post_hook(leaf.hook);
}

std::string GradientReducer::describe_plan() const {
  std::string counts;
  for (const Bucket& bucket : buckets_)
    counts += (counts.empty() ? "" : ", ") + std::to_string(bucket.count);
  return base::text(buckets_.size(), buckets_.size() == 1 ? " bucket" : " buckets", " of ", counts,
                    " elements");
}

void GradientReducer::begin_step() {
  batch_ = 0;
  next_bucket_ = 0;
  sequence_.clear();
  if (options_.batches > 1)
    parameters_.gradients().zero_();  // not needed for one batch, which overwrites the arena
  statistics_.zero_();
  if (gradient_tree_) {
    gradient_tree_->clear();
    statistics_tree_->clear();
  }
}

void GradientReducer::batch_forwarded() {
  missing_.clear();
  for (const Bucket& bucket : buckets_) missing_.push_back(bucket.last_slot - bucket.first_slot);
  arrived_.assign(leaves_.size(), false);
  pending_gradients_.clear();
  pending_targets_.clear();
  for (Leaf& leaf : leaves_) leaf.parameter.mutable_grad().reset();
  if (!in_last_batch()) return;
  // The statistics are complete before backward begins, so they are sent first.
  if (statistics_tree_) statistics_tree_->fold(0, statistics_.numel());
  if (statistics_.numel() > 0) start_exchange(statistics_, comm::Wire::exact, "statistics");
}

void GradientReducer::batch_done() {
  if (!in_last_batch() && gradient_tree_) {
    gradient_tree_->take();
    statistics_tree_->take();
  }
  ++batch_;
}

void GradientReducer::start_exchange(const at::Tensor& sum, comm::Wire wire,
                                     const std::string& what) {
  sequence_.push_back({what, sum.nbytes()});
  if (issued_) issued_->push_back({options_.label + ": " + what, sum.nbytes()});
  if (exchange_) exchange_->start(sum, wire, what);
}

void GradientReducer::arrived(std::size_t slot) {
  if (arrived_[slot]) return;
  arrived_[slot] = true;
  Leaf& leaf = leaves_[slot];
  at::Tensor& grad = leaf.parameter.mutable_grad();
  if (grad.defined()) {
    pending_gradients_.push_back(std::move(grad));
    pending_targets_.push_back(leaf.gradient);
  } else if (!accumulates()) {
    leaf.gradient.zero_();  // backward reached the parameter but produced no gradient
  }
  // The .grad of a copy in another precision stays empty; that of its parameter is the view.
  if (leaf.parameter.scalar_type() == leaf.gradient.scalar_type()) grad = leaf.gradient;
  const bool completes = --missing_[bucket_of_slot_[slot]] == 0;
  // On the CPU each gradient is copied at once, while it is still in the cache.
  if (completes || !buckets_at_once()) move_into_arena();
  if (completes && in_last_batch()) start_complete_buckets();
}

void GradientReducer::move_into_arena() {
  if (pending_gradients_.empty()) return;
  const at::NoGradGuard no_grad;
  if (accumulates()) {
    at::_foreach_add_(pending_targets_, pending_gradients_);
  } else {
    at::_foreach_copy_(pending_targets_, pending_gradients_);
  }
  pending_gradients_.clear();
  pending_targets_.clear();
}

// A bucket starts only after all earlier buckets: gradients may arrive in a different order on each
// rank, but buckets must not.
void GradientReducer::start_complete_buckets() {
  for (; next_bucket_ < buckets_.size() && missing_[next_bucket_] == 0; ++next_bucket_) {
    const Bucket& bucket = buckets_[next_bucket_];
    if (gradient_tree_) gradient_tree_->fold(bucket.offset, bucket.count);
    start_exchange(parameters_.gradients().slice(0, bucket.offset, bucket.offset + bucket.count),
                   options_.wire, base::text("bucket ", next_bucket_));
  }
}

void GradientReducer::finish() {
  if (next_bucket_ < buckets_.size()) {
    std::string names;
    for (std::size_t slot = 0; slot < leaves_.size(); ++slot)
      if (arrived_.empty() || !arrived_[slot])
        names += (names.empty() ? "" : ", ") + parameters_.slots()[slot].name;
    throw base::Failure(base::text(
        "these parameters got no gradient in the backward pass: ", names,
        ". The loss does not depend on them, so they must be frozen (requires_grad = false)."));
  }
  if (!exchange_) return;
  clock_->begin();
  exchange_->finish();
  clock_->end();
}

}  // namespace vae_dist::parallel
