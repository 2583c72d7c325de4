// Adam (Kingma, Ba 2015, algorithm 1), with weight decay added to the gradient, and AdamW
// (Loshchilov, Hutter 2019, algorithm 2), with decoupled weight decay.
#include <ATen/ATen.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

#include "optimizer/optimizer.hpp"
#include "optimizer/update_rules.hpp"

namespace vae_dist::optimizer {
namespace {

enum class Decay { in_gradient, decoupled };

class Adam : public Optimizer {
 public:
  Adam(const OptimizerRequest& wanted, Decay decay)
      : Optimizer(wanted, {"exp_avg", "exp_avg_sq"}),
        own_(wanted.settings<AdamSettings>()),
        decay_(decay) {}

  void update(double learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const auto call = [&](auto&& fused) {
      fused(parameters_.values(), parameters_.gradients(), moment(0), moment(1), at::TensorList{},
            step_count(), as_fused_rate(learning_rate), own_.betas[0], own_.betas[1], weight_decay_,
            own_.epsilon, /*amsgrad=*/false, /*maximize=*/false, std::nullopt, skip);
    };
    switch (decay_) {
      case Decay::in_gradient:
        return call([](auto&&... arguments) { at::_fused_adam_(arguments...); });
      case Decay::decoupled:
        return call([](auto&&... arguments) { at::_fused_adamw_(arguments...); });
    }
  }

  AdamSettings own_;
  Decay decay_;
};

std::int64_t moments_of_adam(const std::any&) { return 2; }

const RegisteredOptimizer kAdam(
    {{.name = "adam", .help = "Adam (Kingma, Ba 2015)", .own = adam_keys()}, moments_of_adam},
    [](const OptimizerRequest& wanted) {
      return std::make_unique<Adam>(wanted, Decay::in_gradient);
    });
const RegisteredOptimizer kAdamW(
    {{.name = "adamw",
      .help = "Adam with decoupled weight decay (Loshchilov, Hutter 2019)",
      .own = adam_keys()},
     moments_of_adam},
    [](const OptimizerRequest& wanted) {
      return std::make_unique<Adam>(wanted, Decay::decoupled);
    });

}  // namespace
}  // namespace vae_dist::optimizer
