// Loss terms that depend on the latent code, looked up by their names in the configuration.
// ../model/README.md: "Add a regulariser".
#pragma once

#include <ATen/core/Tensor.h>

#include <any>
#include <functional>
#include <string>

#include "base/registered_kinds.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::objective {

/// Computes a regulariser's value, averaged over a batch: a scalar with a gradient. `z`: [B,
/// latent], drawn from the posterior, or the code itself if the code is a point.
using RegulariserValue =
    std::function<at::Tensor(const model::Posterior& posterior, const at::Tensor& z)>;

/// Makes a regulariser from its own settings.
using MakeRegulariser = std::function<RegulariserValue(const std::any& own)>;

/// A regulariser of a run.
struct Regulariser {
  std::string term;   ///< the name of its value in logs and series
  double weight = 1;  ///< the factor of its value in the loss
  RegulariserValue value;
};

/// A constant of this type in a regulariser's file registers the regulariser in every program that
/// links the file. Each regulariser has the key `weight` in addition to its own keys.
class RegisteredRegulariser {
 public:
  RegisteredRegulariser(base::Regulariser described, MakeRegulariser make);
};

/// Makes the regularisers that the configuration lists, in its order. The second of the same name
/// gets the term name_2.
std::vector<Regulariser> make_regularisers(const base::ItemList& listed);

}  // namespace vae_dist::objective
