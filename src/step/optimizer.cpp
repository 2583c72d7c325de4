#include "step/optimizer.hpp"

#include <ATen/ATen.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

namespace vae_dist::step {
namespace {

// The fused kernels on a GPU read the learning rate as a float, those on the CPU take any type.
at::Tensor as_fused_rate(const at::Tensor& learning_rate) { return learning_rate.is_cuda() ? learning_rate.to(at::kFloat) : learning_rate; }
double as_fused_rate(double learning_rate) { return learning_rate; }

class Adam : public Optimizer {
 public:
  Adam(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options) : Optimizer(parameters, options, {"exp_avg", "exp_avg_sq"}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const auto call = [&](auto&& fused) {
      fused(parameters_.values(), parameters_.gradients(), moment(0), moment(1), at::TensorList{}, step_count(), as_fused_rate(learning_rate), options_.betas[0],
            options_.betas[1], options_.weight_decay, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false, std::nullopt, skip);
    };
    if (options_.name == "adamw") {
      call([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    } else {
      call([](auto&&... arguments) { at::_fused_adam_(arguments...); });
    }
  }
};

class Sgd : public Optimizer {
 public:
  Sgd(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options)
      : Optimizer(parameters, options, options.momentum > 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const at::Tensor values = parameters_.values(), gradients = parameters_.gradients();
    // A velocity that begins at 0 has no first step of its own.
    at::_fused_sgd_(values, gradients, moments().empty() ? at::TensorList{} : at::TensorList(moment(0)), options_.weight_decay, options_.momentum, as_fused_rate(learning_rate),
                    /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false, std::nullopt, skip);
  }
};

// LibTorch has no fused kernel for it. A skipped step's gradient may hold anything, so each result is chosen, not multiplied away.
class Adamax : public Optimizer {
 public:
  Adamax(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options) : Optimizer(parameters, options, {"exp_avg", "exp_inf"}) {}

  void update(double learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override { update_with(learning_rate, skip); }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const at::Tensor skipped = skip.to(at::kBool);
    const auto replace = [&](at::Tensor target, const at::Tensor& by) { at::where_out(target, skipped, target, by); };
    const at::Tensor gradient = options_.weight_decay == 0 ? parameters_.gradients() : parameters_.gradients().add(parameters_.values(), options_.weight_decay);
    replace(moment(0), moment(0).lerp(gradient, 1 - options_.betas[0]));
    replace(moment(1), at::maximum(moment(1) * options_.betas[1], gradient.abs().add_(options_.epsilon)));
    const at::Tensor correction = 1 - at::pow(options_.betas[0], step_count().to(at::kDouble));
    const at::Tensor step_size = (learning_rate / correction).to(gradient.scalar_type());
    // The alignment gaps of the arena have no gradient and no norm: 0 / epsilon.
    const at::Tensor change = (step_size * moment(0)).div_(moment(1).clamp_min(std::numeric_limits<float>::min()));
    replace(parameters_.values(), parameters_.values() - change);
  }
};

}  // namespace

Optimizer::Optimizer(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options, const std::vector<std::string>& moments)
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

std::unique_ptr<Optimizer> make_optimizer(const parallel::ParameterArena& parameters, const config::OptimizerConfig& options) {
  if (options.name == "adamax") return std::make_unique<Adamax>(parameters, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(parameters, options);
  return std::make_unique<Adam>(parameters, options);
}

}  // namespace vae_dist::step
