// The update rule, over the whole arena at once. Each is one file of this folder that registers
// itself; ../model/README.md: "Add an optimizer".
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

namespace vae_dist::step {

/// What a rule is made of.
struct OptimizerRequest {
  const parallel::ParameterArena& parameters;  ///< outlives the optimizer
  double weight_decay = 0;
  std::any own = {};  ///< its own settings, as it registered them

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update with the arena's gradients. `skip`: a float tensor [1] on the device, 1 where
  /// nothing may change: neither weights nor moments nor the step count. Nothing here waits for the
  /// device.
  void step(double learning_rate, const at::Tensor& skip);

  /// The same with a learning rate ([] double) that the device reads when it comes to it. Fused
  /// kernels on a GPU read it as a float, which is not exact for weights in fp64.
  void step(const at::Tensor& learning_rate, const at::Tensor& skip);

  /// The arenas of its state by torch.optim's names: "exp_avg", "exp_avg_sq", ...
  const std::vector<std::pair<std::string, parallel::FlatArena>>& moments() const {
    return moments_;
  }
  const at::Tensor& step_count() const {
    return step_count_;
  }  ///< [1] float: steps that were not skipped

 protected:
  Optimizer(const OptimizerRequest& wanted, const std::vector<std::string>& moments);

  /// The rule, once the step is counted; without gradients of its own.
  virtual void update(double learning_rate, const at::Tensor& skip) = 0;
  virtual void update(const at::Tensor& learning_rate, const at::Tensor& skip) = 0;

  const at::Tensor& moment(std::size_t i) const { return moments_[i].second.flat(); }

  /// target = by, but where `skipped` (a bool tensor [1]) is true. What a skipped step has computed
  /// may be no number, so it is chosen, not multiplied away.
  static void replace(at::Tensor target, const at::Tensor& by, const at::Tensor& skipped);

  const parallel::ParameterArena& parameters_;
  const double weight_decay_;

 private:
  template <typename Rate>
  void count_and_update(const Rate& learning_rate, const at::Tensor& skip);

  std::vector<std::pair<std::string, parallel::FlatArena>> moments_;
  at::Tensor step_count_;
};

/// The fused kernels on a GPU read the learning rate as a float, those on the CPU take any type.
at::Tensor as_fused_rate(const at::Tensor& learning_rate);
inline double as_fused_rate(double learning_rate) { return learning_rate; }

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(const OptimizerRequest&)>;

/// One constant of this type in the rule's file.
using RegisteredOptimizer = base::Registered<base::UpdateRule, MakeOptimizer>;

/// Throws std::logic_error where nobody has registered what `options` name. `parameters` outlives
/// the optimizer.
std::unique_ptr<Optimizer> make_optimizer(const parallel::ParameterArena& parameters,
                                          const config::OptimizerConfig& options);

}  // namespace vae_dist::step
