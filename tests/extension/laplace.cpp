// A third-party likelihood in one file outside src/, following "Add a likelihood" in
// src/model/README.md: the Laplace distribution, whose negative log density is the absolute error.
#include <ATen/ATen.h>

#include <cmath>

#include "model/likelihood.hpp"

namespace third_party {
namespace {

namespace base = vae_dist::base;
namespace model = vae_dist::model;

struct LaplaceSettings {
  double scale = 0.1;
};

class Laplace : public model::Likelihood {
 public:
  explicit Laplace(const LaplaceSettings& own)
      : Likelihood(base::LikelihoodTraits{}), scale_(own.scale) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    return ((sample.x - decoded.output).abs() / scale_ + std::log(2 * scale_)).flatten(1).sum(1);
  }

 private:
  double scale_;
};

const model::RegisteredLikelihood registered(
    {{.name = "laplace",
      .help = "the absolute error",
      .own = base::own_keys<LaplaceSettings>([](base::Section& keys, LaplaceSettings& own) {
        keys.key("scale", own.scale, "mean absolute deviation, in data units").above(0);
      })}},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<Laplace>(wanted.settings<LaplaceSettings>());
    });

}  // namespace
}  // namespace third_party
