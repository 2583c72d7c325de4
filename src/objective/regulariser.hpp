// Terms of the loss that look at the latent code, found by the names that the configuration gives
// them. ../model/README.md: "Add a regulariser".
#pragma once

#include <ATen/core/Tensor.h>

#include <any>
#include <functional>
#include <string>

#include "base/registered_kinds.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::objective {

/// What a regulariser says of the codes of a batch: a scalar with a gradient, a mean over the
/// batch. `z`: [B, latent], drawn from the posterior, or the code itself where that is a point.
using RegulariserValue =
    std::function<at::Tensor(const model::Posterior& posterior, const at::Tensor& z)>;

/// Makes it from its own settings.
using MakeRegulariser = std::function<RegulariserValue(const std::any& own)>;

/// A regulariser of a run.
struct Regulariser {
  std::string term;   ///< as logs and series call its value
  double weight = 1;  ///< what its value is multiplied with in the loss
  RegulariserValue value;
};

/// A constant of this type in the regulariser's file registers it, in any program that the file is
/// linked into. Each has the key `weight` beside its own.
class RegisteredRegulariser {
 public:
  RegisteredRegulariser(base::Regulariser described, MakeRegulariser make);
};

/// Those that the configuration lists, in its order. The second of the same name is called name_2.
std::vector<Regulariser> make_regularisers(const base::ItemList& listed);

}  // namespace vae_dist::objective
