#include "model/autoencoder.hpp"

#include "model/network_registry.hpp"

namespace vae_dist::model {
namespace {

const RegisteredNetwork kAutoencoder(
    {{.name = "autoencoder", .help = "vanilla_vae with a point as its latent, so without KL"},
     base::LatentKind::point,
     /*has_blocks=*/false,
     /*takes_condition=*/true},
    [](const NetworkRequest& wanted) {
      return std::make_shared<Autoencoder>(wanted.options, wanted.likelihood);
    });

}  // namespace

}  // namespace vae_dist::model
