#include "parallel/replica_buffers.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace vae_dist::parallel {
namespace {

// The comparison of counters waits for the device, so not every step makes it.
constexpr std::int64_t kCheckedSteps = 3;

}  // namespace

ReplicaBuffers::ReplicaBuffers(base::OwnBuffers<at::Tensor> buffers)
    : buffers_(std::move(buffers.averaged)), averaged_(buffers_.size()) {
  buffers_.insert(buffers_.end(), buffers.summed.begin(), buffers.summed.end());
  counters_ = buffers_.size();
  buffers_.insert(buffers_.end(), buffers.counters.begin(), buffers.counters.end());
  for (const auto& [name, buffer] : buffers_) at_start_.push_back(at::empty_like(buffer));
}

std::int64_t ReplicaBuffers::size() const {
  std::int64_t numbers = 0;
  for (std::size_t i = 0; i < buffers_.size(); ++i)
    numbers += buffers_[i].second.numel() * (i >= counters_ ? 2 : 1);
  return numbers;
}

// visit(index of the buffer, its part of `flat`: its changes in its own shape, of a counter the
// squares behind them)
template <typename Visit>
void ReplicaBuffers::for_each(const at::Tensor& flat, Visit visit) const {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const at::Tensor& buffer = buffers_[i].second;
    const auto next = [&] {
      at::Tensor part = flat.narrow(0, offset, buffer.numel()).view(buffer.sizes());
      offset += buffer.numel();
      return part;
    };
    const at::Tensor changes = next();
    visit(i, changes, i >= counters_ ? next() : at::Tensor());
  }
}

NamedTensors ReplicaBuffers::of_completed_steps() const {
  NamedTensors out = buffers_;
  for (std::size_t i = 0; begun_ && i < out.size(); ++i) out[i].second = at_start_[i];
  return out;
}

void ReplicaBuffers::begin_step() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) at_start_[i].copy_(buffers_[i].second);
  begun_ = true;
}

void ReplicaBuffers::take_back() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) buffers_[i].second.copy_(at_start_[i]);
}

void ReplicaBuffers::add(const at::Tensor& to, double share) {
  for_each(to, [&](std::size_t i, const at::Tensor& part, const at::Tensor& squares) {
    const at::Tensor &buffer = buffers_[i].second, &before = at_start_[i];
    // An infinity that stays has not changed; its difference would be NaN.
    const at::Tensor change =
        at::where(buffer == before, at::zeros({}, buffer.options()), buffer - before)
            .to(part.scalar_type());
    part.add_(change, i >= averaged_ && i < counters_ ? 1.0 : share);
    if (squares.defined()) squares.add_(change.square(), share);
  });
}

void ReplicaBuffers::finish(const at::Tensor& sums, const at::Tensor& skip) {
  const at::Tensor skipped = skip.to(at::kBool).squeeze();
  const bool checks =
      counters_ < buffers_.size() && checked_steps_++ < kCheckedSteps && !skipped.item<bool>();
  for_each(sums, [&](std::size_t i, const at::Tensor& part, const at::Tensor& squares) {
    const auto& [name, buffer] = buffers_[i];
    at::Tensor change = part;
    if (i >= counters_) {
      change = part.round();
      // The variance of the changes, which is the same number on every rank.
      if (checks && (squares - part.square()).max().item<double>() > 1e-3)
        throw base::BadInput(base::text(
            "the network's buffer ", name,
            " holds whole numbers, and the replicas of a step changed it by different ones, so its "
            "value would depend on the number of ranks. Keep in a buffer only what every batch "
            "changes alike, or list it in model.summed_buffers"));
    }
    const at::Tensor moved =
        at::where(change == 0, at_start_[i], at_start_[i] + change.to(buffer.scalar_type()));
    buffer.copy_(at::where(skipped, at_start_[i], moved));
    at_start_[i].copy_(buffer);
  });
}

}  // namespace vae_dist::parallel
