// A third-party likelihood in one file outside src/, following "Add a likelihood" in
// src/objective/README.md: the Cauchy distribution, to which outliers hardly matter.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "model/likelihood.hpp"

namespace third_party {
namespace {

namespace base = vae_dist::base;
namespace model = vae_dist::model;

struct CauchySettings {
  double half_width = 0.1;
};

class Cauchy : public model::Likelihood {
 public:
  explicit Cauchy(const CauchySettings& own)
      : Likelihood(base::LikelihoodTraits{}), half_width_(own.half_width) {}

  at::Tensor negative_log(const model::Decoded& decoded,
                          const model::Sample& sample) const override {
    const at::Tensor distance = (sample.x - decoded.output) / half_width_;
    return (distance.square().log1p() + std::log(std::numbers::pi * half_width_)).flatten(1).sum(1);
  }

 private:
  double half_width_;
};

const model::RegisteredLikelihood registered(
    {{.name = "cauchy",
      .help = "a density with heavy tails",
      .own = base::own_keys<CauchySettings>([](base::Section& keys, CauchySettings& own) {
        keys.key("half_width", own.half_width, "half the width at half the maximum, in data units")
            .above(0);
      })}},
    [](const model::LikelihoodRequest& wanted) {
      return std::make_shared<Cauchy>(wanted.settings<CauchySettings>());
    });

}  // namespace
}  // namespace third_party
