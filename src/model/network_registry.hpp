// How a network is found by the name that the configuration gives it. README.md of this folder:
// "Add a network".
#pragma once

#include <any>
#include <functional>
#include <memory>
#include <string>

#include "base/registered_kinds.hpp"
#include "model/latent_model.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

/// What a network is to be made of.
struct NetworkRequest {
  NetworkOptions options;  ///< of all networks: images, latent, widths
  std::any own = {};  ///< the network's own settings, as it registered them; empty: it has none
  std::shared_ptr<Likelihood> likelihood;  ///< for LatentModel::finish()

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

using MakeNetwork = std::function<std::shared_ptr<LatentModel>(const NetworkRequest&)>;

/// One constant of this type in the network's file.
using RegisteredNetwork = base::Registered<base::Network, MakeNetwork>;

/// Throws std::logic_error where nobody has registered `name`, or where what was made has another
/// latent than was said.
std::shared_ptr<LatentModel> make_network(const std::string& name, const NetworkRequest& request);

}  // namespace vae_dist::model
