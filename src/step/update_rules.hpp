// What the update rules of this folder have for settings, under train.optimizer.
#pragma once

#include <vector>

#include "base/registry.hpp"

namespace vae_dist::step {

/// Of adam, adamw and adamax.
struct AdamSettings {
  std::vector<double> betas = {0.9, 0.999};
  double epsilon = 1.0e-8;
};

/// Shared by the three under the name "adam".
inline base::OwnKeys adam_keys() {
  return base::own_keys<AdamSettings>(
      [](base::Section& keys, AdamSettings& own) {
        keys.key("betas", own.betas, "decay of the running means of gradient and squared gradient")
            .entries(2)
            .at_least(0)
            .below(1);
        keys.key("epsilon", own.epsilon, "added to the root of the squared gradient's mean")
            .at_least(0);
      },
      "adam");
}

/// Of sgd.
struct SgdSettings {
  double momentum = 0.0;
};

}  // namespace vae_dist::step
