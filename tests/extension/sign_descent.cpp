// A third-party optimizer in one file outside src/, following "Add an optimizer" in
// src/model/README.md: each parameter moves by the learning rate against the sign of its smoothed
// gradient (signSGD with momentum: Bernstein et al. 2018, algorithm 2).
#include <ATen/ATen.h>

#include "optimizer/optimizer.hpp"

namespace third_party {
namespace {

namespace base = vae_dist::base;
namespace optimizer = vae_dist::optimizer;

struct SignDescentSettings {
  double smoothing = 0.9;
};

class SignDescent : public optimizer::Optimizer {
 public:
  explicit SignDescent(const optimizer::OptimizerRequest& wanted)
      : Optimizer(wanted, {"smoothed"}), own_(wanted.settings<SignDescentSettings>()) {}

 protected:
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
    replace(moment(0), moment(0).lerp(parameters_.gradients(), 1 - own_.smoothing), skipped);
    replace(parameters_.values(),
            parameters_.values() * (1 - weight_decay_) -
                (moment(0).sign() * learning_rate).to(moment(0).scalar_type()),
            skipped);
  }

  SignDescentSettings own_;
};

const optimizer::RegisteredOptimizer registered(
    {{.name = "sign_descent",
      .help = "steps by the sign of the smoothed gradient",
      .own = base::own_keys<SignDescentSettings>([](base::Section& keys, SignDescentSettings& own) {
        keys.key("smoothing", own.smoothing, "share of the smoothed gradient that is kept")
            .at_least(0)
            .below(1);
      })},
     [](const std::any&) { return std::int64_t{1}; },
     /*reads_exact_rate=*/true},
    [](const optimizer::OptimizerRequest& wanted) {
      return std::make_unique<SignDescent>(wanted);
    });

}  // namespace
}  // namespace third_party
