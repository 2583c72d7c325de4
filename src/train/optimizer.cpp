#include "train/optimizer.hpp"

#include <ATen/ATen.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

namespace vae_dist {
namespace {

// Adam and AdamW as one fused call.
class FusedAdam : public Optimizer {
 public:
  FusedAdam(const ParameterArena& parameters, const OptimizerConfig& options) : Optimizer(parameters, options, {"exp_avg", "exp_avg_sq"}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  // Its kernel on a GPU reads a float, the one on the CPU takes any type.
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate.is_cuda() ? learning_rate.to(at::kFloat) : learning_rate, skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const auto call = [&](auto&& fused) {
      fused(parameters_.values(), parameters_.gradients(), moment(0), moment(1), at::TensorList{}, step_count(), learning_rate, options_.betas[0], options_.betas[1],
            options_.weight_decay, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false, std::nullopt, skip);
    };
    if (options_.name == "adamw") {
      call([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    } else {
      call([](auto&&... arguments) { at::_fused_adam_(arguments...); });
    }
  }
};

// A rule of a few tensor operations. A skipped step's gradient may hold anything, so each result is chosen, not multiplied away.
class PlainOptimizer : public Optimizer {
 protected:
  using Optimizer::Optimizer;

  at::Tensor decayed_gradient() const {
    return options_.weight_decay == 0 ? parameters_.gradients() : parameters_.gradients().add(parameters_.values(), options_.weight_decay);
  }

  static void replace(at::Tensor target, const at::Tensor& by, const at::Tensor& skip) { target.copy_(at::where(skip.to(at::kBool), target, by)); }
};

class Adamax : public PlainOptimizer {
 public:
  Adamax(const ParameterArena& parameters, const OptimizerConfig& options) : PlainOptimizer(parameters, options, {"exp_avg", "exp_inf"}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const at::Tensor gradient = decayed_gradient();
    replace(moment(0), moment(0).lerp(gradient, 1 - options_.betas[0]), skip);
    replace(moment(1), at::maximum(moment(1) * options_.betas[1], gradient.abs() + options_.epsilon), skip);
    const at::Tensor correction = 1 - at::pow(options_.betas[0], step_count().to(at::kDouble));
    const at::Tensor step_size = (learning_rate / correction).to(gradient.scalar_type());
    // The alignment gaps of the arena have no gradient and no norm: 0 / epsilon.
    const at::Tensor updated = parameters_.values() - step_size * moment(0) / moment(1).clamp_min(std::numeric_limits<float>::min());
    replace(parameters_.values(), updated, skip);
  }
};

class Sgd : public PlainOptimizer {
 public:
  Sgd(const ParameterArena& parameters, const OptimizerConfig& options)
      : PlainOptimizer(parameters, options, options.momentum > 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate.to(parameters_.values().scalar_type()), skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    at::Tensor direction = decayed_gradient();
    if (options_.momentum > 0) {
      replace(moment(0), moment(0) * options_.momentum + direction, skip);
      direction = moment(0);
    }
    replace(parameters_.values(), parameters_.values() - learning_rate * direction, skip);
  }
};

}  // namespace

Optimizer::Optimizer(const ParameterArena& parameters, const OptimizerConfig& options, const std::vector<std::string>& moments)
    : parameters_(parameters), options_(options), step_count_(at::zeros({1}, parameters.values().options().dtype(at::kFloat))) {
  for (const std::string& name : moments) moments_.emplace_back(name, parameters.make_companion());
}

void Optimizer::step(double learning_rate, const at::Tensor& skip) { count_and_update(learning_rate, skip); }

void Optimizer::step(const at::Tensor& learning_rate, const at::Tensor& skip) { count_and_update(learning_rate, skip); }

template <typename Rate>
void Optimizer::count_and_update(const Rate& learning_rate, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  step_count_.add_(1 - skip);
  update(learning_rate, skip);
}

std::unique_ptr<Optimizer> make_optimizer(const ParameterArena& parameters, const OptimizerConfig& options) {
  if (options.name == "adamax") return std::make_unique<Adamax>(parameters, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(parameters, options);
  return std::make_unique<FusedAdam>(parameters, options);
}

}  // namespace vae_dist
