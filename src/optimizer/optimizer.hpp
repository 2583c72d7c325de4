// The interface of update rules, each of which updates the whole arena at once. A rule is one file
// of this folder that registers itself; ../model/README.md: "Add an optimizer".
#pragma once

#include <ATen/core/Tensor.h>

#include <any>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist::optimizer {

/// The arguments of an update rule.
struct OptimizerRequest {
  const parallel::ParameterArena& parameters;  ///< outlives the optimizer
  double weight_decay = 0;
  std::any own = {};  ///< the rule's own settings, of the type that it registered

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates the weights with the arena's gradients. `skip`: a float tensor [1] on the device; if
  /// it is 1, weights, moments and step count stay unchanged. Does not wait for the device.
  void step(double learning_rate, const at::Tensor& skip);

  /// Same, but the device reads the learning rate ([] double) when it runs the update. Fused
  /// kernels on a GPU read it as a float, which is not exact for weights in fp64.
  void step(const at::Tensor& learning_rate, const at::Tensor& skip);

  /// The arenas of the optimizer's state under torch.optim's names: "exp_avg", "exp_avg_sq", ...
  const std::vector<std::pair<std::string, parallel::FlatArena>>& moments() const {
    return moments_;
  }
  const at::Tensor& step_count() const {
    return step_count_;
  }  ///< [1] float: number of steps that were not skipped

 protected:
  Optimizer(const OptimizerRequest& wanted, const std::vector<std::string>& moments);

  /// Applies the rule. Called after the step is counted, with autograd switched off.
  virtual void update(double learning_rate, const at::Tensor& skip) = 0;
  virtual void update(const at::Tensor& learning_rate, const at::Tensor& skip) = 0;

  const at::Tensor& moment(std::size_t i) const { return moments_[i].second.flat(); }

  /// Sets target = by, unless `skipped` (a bool tensor [1]) is true. A skipped step may have
  /// computed NaN, so the value is selected, not multiplied by zero.
  static void replace(at::Tensor target, const at::Tensor& by, const at::Tensor& skipped);

  const parallel::ParameterArena& parameters_;
  const double weight_decay_;

 private:
  template <typename Rate>
  void count_and_update(const Rate& learning_rate, const at::Tensor& skip);

  std::vector<std::pair<std::string, parallel::FlatArena>> moments_;
  at::Tensor step_count_;
};

/// Converts a learning rate for the fused kernels: those on a GPU read it as a float, those on the
/// CPU accept any type.
at::Tensor as_fused_rate(const at::Tensor& learning_rate);
inline double as_fused_rate(double learning_rate) { return learning_rate; }

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(const OptimizerRequest&)>;

/// A constant of this type in a rule's file registers the rule.
using RegisteredOptimizer = base::Registered<base::UpdateRule, MakeOptimizer>;

/// Makes the optimizer that `options` name. Throws std::logic_error if it is not registered.
/// `parameters` outlives the optimizer.
std::unique_ptr<Optimizer> make_optimizer(const parallel::ParameterArena& parameters,
                                          const config::OptimizerConfig& options);

}  // namespace vae_dist::optimizer
