// An exponential moving average of the weights, which evaluation and pictures use (Polyak, Juditsky
// 1992; exponential as in Kingma, Ba 2015, section 7.2).
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "parallel/parameter_arena.hpp"

namespace vae_dist::step {

class WeightAverage {
 public:
  /// Begins at the present weights. `parameters` outlives it.
  WeightAverage(const parallel::ParameterArena& parameters, double decay);

  /// After a step: average += (1 - d) (weights - average), d = min(decay, (1 + t) / (10 + t)) with
  /// t steps done, so that it forgets the initial weights. `step_count`: [1] float; `skip`: [1], 1
  /// = nothing may change.
  void update(const at::Tensor& step_count, const at::Tensor& skip);

  /// Forgets what it has averaged.
  void begin_at_weights();

  const parallel::FlatArena& arena() const { return average_; }

  /// Changes places with the weights; once more, and they are back. Running batch statistics stay.
  void swap_with_weights();

 private:
  const parallel::ParameterArena& parameters_;
  double decay_;
  parallel::FlatArena average_;
};

/// Models have their averaged weights for as long as this lives; what has no average its own.
class AveragedWeights {
 public:
  explicit AveragedWeights(std::vector<WeightAverage*> averages) : averages_(std::move(averages)) {
    swap();
  }
  ~AveragedWeights() { swap(); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  void swap() {
    for (WeightAverage* const average : averages_) average->swap_with_weights();
  }

  std::vector<WeightAverage*> averages_;
};

}  // namespace vae_dist::step
