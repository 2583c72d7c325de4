// A part of what is trained: its parameters in one arena, the sum of their gradients over ranks,
// the rule that updates them, and their moving average. A run has one, all that is trained of the
// model; what comes beside it (a second network, a discriminator) is another. All parts skip a step
// together.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "parallel/gradient_reducer.hpp"
#include "parallel/parameter_arena.hpp"
#include "step/optimizer.hpp"
#include "step/weight_average.hpp"

namespace vae_dist::step {

/// What a part is made of.
struct PartRequest {
  std::string name;  ///< before the names of its tensors in a checkpoint; empty: the model's, which
                     ///< have PyTorch's names alone
  parallel::NamedTensors
      parameters;  ///< trained ones, in registration order; they outlive the part
  config::OptimizerConfig optimizer = {};
  std::optional<double> ema_decay = {};  ///< empty: no average
  bool channels_last = true;
  parallel::ArenaMemory gradient_memory = parallel::ordinary_memory;
};

class TrainedPart {
 public:
  explicit TrainedPart(const PartRequest& wanted);

  /// From now on its gradients are summed over ranks, with `statistics` ([any], may be empty)
  /// beside them. exchange null: a world of one rank. To be called once, before the first step.
  void reduce_through(std::unique_ptr<parallel::BucketExchange> exchange,
                      const at::Tensor& statistics, const parallel::ReducerOptions& options);

  /// Before the exchange's communicator ends.
  void end_reduction() { reducer_.reset(); }

  parallel::ParameterArena& parameters() { return parameters_; }
  const parallel::ParameterArena& parameters() const { return parameters_; }
  Optimizer& optimizer() { return *optimizer_; }
  parallel::GradientReducer& reducer() { return *reducer_; }
  const parallel::GradientReducer& reducer() const { return *reducer_; }
  WeightAverage* average() { return average_ ? &*average_ : nullptr; }  ///< null: it has none

  /// What goes with its parameters from step to step, under the names of a checkpoint: moments, the
  /// average, the count of steps.
  parallel::NamedTensors state() const;

 private:
  std::string name_;
  parallel::NamedTensors leaves_;
  parallel::ParameterArena parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  std::optional<parallel::GradientReducer> reducer_;
};

}  // namespace vae_dist::step
