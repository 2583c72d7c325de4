// The settings of this folder's update rules, under train.optimizer.
#pragma once

#include <vector>

#include "base/registry.hpp"

namespace vae_dist::optimizer {

/// The settings of adam, adamw and adamax.
struct AdamSettings {
  std::vector<double> betas = {0.9, 0.999};
  double epsilon = 1.0e-8;
};

/// Returns the keys of AdamSettings, which the three rules share under the name "adam".
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

/// The settings of sgd.
struct SgdSettings {
  double momentum = 0.0;
};

}  // namespace vae_dist::optimizer
