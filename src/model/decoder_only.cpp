#include "model/decoder_only.hpp"

#include "model/network_registry.hpp"

namespace vae_dist::model {
namespace {

const RegisteredNetwork kDecoderOnly(
    {{.name = "decoder_only",
      .help = "the decoder of vanilla_vae alone, trained on the marginal likelihood"},
     base::LatentKind::none},
    [](const NetworkRequest& wanted) {
      return std::make_shared<DecoderOnly>(wanted.options, wanted.likelihood);
    });

}  // namespace

}  // namespace vae_dist::model
