// A group of trained parameters in one arena, with the sum of their gradients over ranks, their
// update rule and their moving average. A run has one part that holds all trained parameters of the
// model, and another for each critic of its objective. All parts skip a step together.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "optimizer/optimizer.hpp"
#include "parallel/gradient_reducer.hpp"
#include "parallel/parameter_arena.hpp"
#include "parallel/rounded_parameters.hpp"
#include "step/weight_average.hpp"

namespace vae_dist::step {

/// The arguments of a part.
struct PartRequest {
  std::string name;  ///< prefix of its tensor names in a checkpoint; empty: the model's part, whose
                     ///< tensors have PyTorch's plain names
  parallel::NamedTensors
      parameters;  ///< the trained ones, in registration order; they outlive the part
  config::OptimizerConfig optimizer = {};
  std::optional<double> ema_decay = {};  ///< empty: no average
  bool channels_last = true;
  std::vector<at::Tensor> rounded = {};  ///< the parameters that a step rounds to bfloat16
  parallel::ArenaMemory gradient_memory = parallel::ordinary_memory;
  bool keeps_parameters = false;        ///< state() has the parameters too: no weights file does
  std::optional<double> own_rate = {};  ///< a learning rate that follows no schedule
};

class TrainedPart {
 public:
  explicit TrainedPart(const PartRequest& wanted);

  /// From now on, sums the gradients over the ranks, along with `statistics` ([any], may be empty).
  /// `exchange` is null with a single rank. To be called once, before the first step.
  void reduce_through(std::unique_ptr<parallel::BucketExchange> exchange,
                      const at::Tensor& statistics, const parallel::ReducerOptions& options);

  /// To be called before the exchange's communicator is destroyed.
  void end_reduction() { reducer_.reset(); }

  parallel::ParameterArena& parameters() { return parameters_; }
  const parallel::ParameterArena& parameters() const { return parameters_; }
  optimizer::Optimizer& optimizer() { return *optimizer_; }
  parallel::GradientReducer& reducer() { return *reducer_; }
  const parallel::GradientReducer& reducer() const { return *reducer_; }
  parallel::RoundedParameters* rounded() { return rounded_ ? &*rounded_ : nullptr; }
  WeightAverage* average() { return average_ ? &*average_ : nullptr; }  ///< null if it has none

  std::optional<double> own_rate() const { return own_rate_; }

  /// Returns the part's state under the names used in a checkpoint: moments, average, step count,
  /// and the parameters if it keeps them.
  parallel::NamedTensors state() const;

  /// Returns the names of each parameter and of its average in state(); empty without an average.
  std::vector<std::pair<std::string, std::string>> averages_by_parameter() const;

 private:
  std::string name_;
  bool keeps_parameters_;
  std::optional<double> own_rate_;
  parallel::NamedTensors leaves_;
  parallel::ParameterArena parameters_;
  std::optional<parallel::RoundedParameters> rounded_;
  std::unique_ptr<optimizer::Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  std::optional<parallel::GradientReducer> reducer_;
};

}  // namespace vae_dist::step
