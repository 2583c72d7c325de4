// A third-party regulariser, following "Add a regulariser" in src/objective/README.md: it pulls the
// norms of a batch's codes towards `radius`.
#include <torch/nn/module.h>

#include "objective/regulariser.hpp"

namespace third_party {
namespace {

namespace base = vae_dist::base;
namespace objective = vae_dist::objective;

struct CodeSpreadSettings {
  double radius = 1;
};

const objective::RegisteredRegulariser registered(
    {{.name = "code_spread",
      .help = "squared distance of a code's norm from `radius`",
      .own = base::own_keys<CodeSpreadSettings>([](base::Section& keys, CodeSpreadSettings& own) {
        keys.key("radius", own.radius, "the norm that codes are pulled to").above(0);
      })}},
    [](const objective::RegulariserRequest& wanted) {
      const double radius = wanted.settings<CodeSpreadSettings>().radius;
      return [radius](const vae_dist::model::Posterior& posterior, const at::Tensor&) {
        return (posterior.mu.square().sum(1).add(1e-12).sqrt() - radius).square().mean();
      };
    });

}  // namespace
}  // namespace third_party
