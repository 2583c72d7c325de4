#include "model/network_registry.hpp"

#include <stdexcept>

namespace vae_dist::model {

std::shared_ptr<LatentModel> make_network(const std::string& name, const NetworkRequest& request) {
  const base::Network& described = base::Registry<base::Network>::all().at(name);
  if (request.options.condition_values > 0 && !described.takes_condition)
    throw std::invalid_argument("it takes no condition; choose a network that does");
  std::shared_ptr<LatentModel> network = base::makers<MakeNetwork>().at(name)(request);
  const bool is_quantized = request.options.codebook && network->codes();
  if (request.options.codebook && !is_quantized)
    throw std::invalid_argument(
        "its latent is no point that could be quantized (model.codes; of a script say "
        "model.encoder_gives=point)");
  if (network->latent_kind() != described.latent_under(request.own) && !is_quantized)
    throw std::logic_error("the network '" + name +
                           "' has a different kind of latent than it was registered with");
  network->made_with(request.options);
  return network;
}

}  // namespace vae_dist::model
