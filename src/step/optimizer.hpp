// The update rules, each over the whole arena at once:
//   adam    Kingma, Ba 2015, algorithm 1; weight decay added to the gradient
//   adamw   Loshchilov, Hutter 2019, algorithm 2: decay decoupled
//   adamax  Kingma, Ba 2015, algorithm 2
//   sgd     with momentum (Sutskever et al. 2013 in PyTorch's form: the velocity is not scaled by the learning rate)
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist::step {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update with the arena's gradients. `skip`: a float tensor [1] on the device, 1 where nothing may change: neither weights
  /// nor moments nor the step count. Nothing here waits for the device.
  void step(double learning_rate, const at::Tensor& skip);

  /// The same with a learning rate ([] double) that the device reads when it comes to it. On a GPU all but Adamax read it as a float, which is not exact
  /// for weights in fp64.
  void step(const at::Tensor& learning_rate, const at::Tensor& skip);

  /// The arenas of its state by torch.optim's names: "exp_avg", "exp_avg_sq", ...
  const std::vector<std::pair<std::string, parallel::FlatArena>>& moments() const { return moments_; }
  const at::Tensor& step_count() const { return step_count_; }  ///< [1] float: steps that were not skipped

 protected:
  /// The rule, once the step is counted; without gradients of its own.
  virtual void update(double learning_rate, const at::Tensor& skip) = 0;
  virtual void update(const at::Tensor& learning_rate, const at::Tensor& skip) = 0;

  Optimizer(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options, const std::vector<std::string>& moments);

  const at::Tensor& moment(std::size_t i) const { return moments_[i].second.flat(); }

  const parallel::ParameterArena& parameters_;
  config::OptimizerConfig options_;

 private:
  template <typename Rate>
  void count_and_update(const Rate& learning_rate, const at::Tensor& skip);

  std::vector<std::pair<std::string, parallel::FlatArena>> moments_;
  at::Tensor step_count_;
};

/// `options.name` says which. `parameters` outlives the optimizer.
std::unique_ptr<Optimizer> make_optimizer(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options);

}  // namespace vae_dist::step
