// Adamax (Kingma, Ba 2015, algorithm 2), for which LibTorch has no fused kernel.
#include <ATen/ATen.h>

#include <limits>

#include "optimizer/optimizer.hpp"
#include "optimizer/update_rules.hpp"

namespace vae_dist::optimizer {
namespace {

class Adamax : public Optimizer {
 public:
  explicit Adamax(const OptimizerRequest& wanted)
      : Optimizer(wanted, {"exp_avg", "exp_inf"}), own_(wanted.settings<AdamSettings>()) {}

  void update(double learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const at::Tensor skipped = skip.to(at::kBool);
    const at::Tensor gradient =
        weight_decay_ == 0 ? parameters_.gradients()
                           : parameters_.gradients().add(parameters_.values(), weight_decay_);
    replace(moment(0), moment(0).lerp(gradient, 1 - own_.betas[0]), skipped);
    replace(moment(1), at::maximum(moment(1) * own_.betas[1], gradient.abs().add_(own_.epsilon)),
            skipped);
    const at::Tensor correction = 1 - at::pow(own_.betas[0], step_count().to(at::kDouble));
    const at::Tensor step_size = (learning_rate / correction).to(gradient.scalar_type());
    // In the alignment gaps of the arena, gradient and norm are zero. The clamp avoids 0 / 0.
    const at::Tensor change =
        (step_size * moment(0)).div_(moment(1).clamp_min(std::numeric_limits<float>::min()));
    replace(parameters_.values(), parameters_.values() - change, skipped);
  }

  AdamSettings own_;
};

const RegisteredOptimizer kAdamax(
    {{.name = "adamax",
      .help = "Adam with the infinity norm of past gradients (Kingma, Ba 2015)",
      .own = adam_keys()},
     [](const std::any&) { return std::int64_t{2}; },
     /*reads_exact_rate=*/true},
    [](const OptimizerRequest& wanted) { return std::make_unique<Adamax>(wanted); });

}  // namespace
}  // namespace vae_dist::optimizer
