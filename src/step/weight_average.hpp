// An exponential moving average of the weights, used for evaluation and pictures (Polyak, Juditsky
// 1992; exponential as in Kingma, Ba 2015, section 7.2).
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "parallel/parameter_arena.hpp"
#include "step/update_gate.hpp"

namespace vae_dist::step {

class WeightAverage {
 public:
  /// Starts at the current weights. `parameters` outlives the average.
  WeightAverage(const parallel::ParameterArena& parameters, double decay);

  /// Updates the average after a step: average += (1 - d) (weights - average). After t steps d =
  /// min(decay, (1 + t) / (10 + t)), so that the average forgets the initial weights. `step_count`:
  /// [1] float; `skip`: [1]; if it is 1, nothing changes.
  void update(const at::Tensor& step_count, const at::Tensor& skip);

  /// Resets the average to the current weights.
  void reset_to_weights();

  const parallel::FlatArena& arena() const { return average_; }

  /// Swaps the average and the weights; a second call swaps them back. Does not touch running batch
  /// statistics.
  void swap_with_weights();

 private:
  const parallel::ParameterArena& parameters_;
  double decay_;
  parallel::FlatArena average_;
};

/// Swaps in the averaged weights during its lifetime. Parts without an average keep their weights.
/// Passes through `gate` if there is one.
class AveragedWeights {
 public:
  explicit AveragedWeights(std::vector<WeightAverage*> averages, UpdateGate* gate = nullptr)
      : averages_(std::move(averages)), gate_(gate) {
    swap();
  }
  ~AveragedWeights() { swap(); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  void swap() {
    if (averages_.empty()) return;
    if (gate_) {
      gate_->begin_change();
      gate_->mark_begin();
    }
    for (WeightAverage* const average : averages_) average->swap_with_weights();
    if (gate_) {
      gate_->mark_end();
      gate_->end_swap();
    }
  }

  std::vector<WeightAverage*> averages_;
  UpdateGate* gate_;
};

}  // namespace vae_dist::step
