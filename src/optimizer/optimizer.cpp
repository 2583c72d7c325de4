#include "optimizer/optimizer.hpp"

#include <ATen/ATen.h>

namespace vae_dist::optimizer {

at::Tensor as_fused_rate(const at::Tensor& learning_rate) {
  return learning_rate.is_cuda() ? learning_rate.to(at::kFloat) : learning_rate;
}

Optimizer::Optimizer(const OptimizerRequest& wanted, const std::vector<std::string>& moments)
    : parameters_(wanted.parameters),
      weight_decay_(wanted.weight_decay),
      step_count_(at::zeros({1}, parameters_.values().options().dtype(at::kFloat))) {
  for (const std::string& name : moments)
    moments_.emplace_back(name, parameters_.make_matching_arena());
}

void Optimizer::step(double learning_rate, const at::Tensor& skip) {
  count_and_update(learning_rate, skip);
}

void Optimizer::step(const at::Tensor& learning_rate, const at::Tensor& skip) {
  count_and_update(learning_rate, skip);
}

template <typename Rate>
void Optimizer::count_and_update(const Rate& learning_rate, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  step_count_.add_(1 - skip);
  update(learning_rate, skip);
}

void Optimizer::replace(at::Tensor target, const at::Tensor& by, const at::Tensor& skipped) {
  at::where_out(target, skipped, target, by);
}

std::unique_ptr<Optimizer> make_optimizer(const parallel::ParameterArena& parameters,
                                          const config::OptimizerConfig& options) {
  return base::makers<MakeOptimizer>().at(options.rule.item().name)(
      {parameters, options.weight_decay, options.rule.settings()});
}

}  // namespace vae_dist::optimizer
