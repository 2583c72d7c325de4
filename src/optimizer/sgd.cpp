// SGD, with momentum as in PyTorch: the velocity is not scaled by the learning rate (Sutskever et
// al. 2013).
#include <ATen/ATen.h>
#include <ATen/ops/_fused_sgd.h>

#include "optimizer/optimizer.hpp"
#include "optimizer/update_rules.hpp"

namespace vae_dist::optimizer {
namespace {

class Sgd : public Optimizer {
 public:
  explicit Sgd(const OptimizerRequest& wanted)
      : Optimizer(wanted, wanted.settings<SgdSettings>().momentum > 0
                              ? std::vector<std::string>{"momentum_buffer"}
                              : std::vector<std::string>{}),
        momentum_(wanted.settings<SgdSettings>().momentum) {}

  void update(double learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }
  void update(const at::Tensor& learning_rate, const at::Tensor& skip) override {
    update_with(learning_rate, skip);
  }

 private:
  template <typename Rate>
  void update_with(const Rate& learning_rate, const at::Tensor& skip) {
    const at::Tensor values = parameters_.values(), gradients = parameters_.gradients();
    // The velocity starts at 0, so the first step needs no special case.
    at::_fused_sgd_(values, gradients,
                    moments().empty() ? at::TensorList{} : at::TensorList(moment(0)), weight_decay_,
                    momentum_, as_fused_rate(learning_rate), /*dampening=*/0, /*nesterov=*/false,
                    /*maximize=*/false, /*is_first_step=*/false, std::nullopt, skip);
  }

  double momentum_;
};

const RegisteredOptimizer kSgd(
    {{.name = "sgd",
      .help = "stochastic gradient descent, with or without momentum",
      .own = base::own_keys<SgdSettings>([](base::Section& keys, SgdSettings& own) {
        keys.key("momentum", own.momentum,
                 "fraction of the previous step's direction that is added")
            .at_least(0)
            .below(1);
      })},
     [](const std::any& own) {
       return std::int64_t{std::any_cast<const SgdSettings&>(own).momentum > 0 ? 1 : 0};
     }},
    [](const OptimizerRequest& wanted) { return std::make_unique<Sgd>(wanted); });

}  // namespace
}  // namespace vae_dist::optimizer
