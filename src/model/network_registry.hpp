// Finds a network by its name in the configuration. See "Add a network" in README.md of this
// folder.
#pragma once

#include <any>
#include <functional>
#include <memory>
#include <string>

#include "base/registered_kinds.hpp"
#include "model/latent_model.hpp"
#include "model/network_options.hpp"

namespace vae_dist::model {

/// The arguments with which a network is constructed.
struct NetworkRequest {
  NetworkOptions options;  ///< common to all networks: images, latent, widths
  std::any own = {};       ///< the network's own settings, as registered; empty: none
  std::shared_ptr<Likelihood> likelihood;  ///< for LatentModel::finish()

  template <typename Settings>
  const Settings& settings() const {
    return std::any_cast<const Settings&>(own);
  }
};

using MakeNetwork = std::function<std::shared_ptr<LatentModel>(const NetworkRequest&)>;

/// Registers a network: one constant of this type in its file.
using RegisteredNetwork = base::Registered<base::Network, MakeNetwork>;

/// Constructs the network `name`. Throws std::logic_error if it is not registered, or if the kind
/// of its latent differs from the registered kind. Throws std::invalid_argument if the network
/// refuses its options.
std::shared_ptr<LatentModel> make_network(const std::string& name, const NetworkRequest& request);

}  // namespace vae_dist::model
