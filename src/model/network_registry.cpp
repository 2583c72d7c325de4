#include "model/network_registry.hpp"

#include <map>
#include <stdexcept>

namespace vae_dist::model {
namespace {

std::map<std::string, MakeNetwork>& makers() {
  static std::map<std::string, MakeNetwork> all;
  return all;
}

}  // namespace

RegisteredNetwork::RegisteredNetwork(base::Network described, MakeNetwork make) {
  makers()[described.name] = std::move(make);
  base::Registry<base::Network>::all().add(std::move(described));
}

std::shared_ptr<LatentModel> make_network(const std::string& name, const NetworkRequest& request) {
  const base::Network* const described = base::Registry<base::Network>::all().find(name);
  if (!described) throw std::logic_error("nobody has registered a network '" + name + "'");
  std::shared_ptr<LatentModel> network = makers().at(name)(request);
  if (network->latent_kind() != described->latent) throw std::logic_error("the network '" + name + "' has another latent than it was registered with");
  return network;
}

}  // namespace vae_dist::model
