// A third-party network in one file outside src/, following "Add a network" in src/model/README.md:
// a linear encoder and a linear decoder, whose optimum is known (probabilistic PCA: Tipping, Bishop
// 1999; as a VAE: Lucas et al. 2019).
#include <stdexcept>

#include "model/activation.hpp"
#include "model/linear.hpp"
#include "model/network_registry.hpp"

namespace third_party {
namespace {

namespace base = vae_dist::base;
namespace model = vae_dist::model;

struct LinearVaeSettings {
  bool offset = true;
};

class LinearVae : public model::LatentModel {
 public:
  explicit LinearVae(const model::NetworkRequest& wanted)
      : shape_(model::batch_shape(wanted.options.channels, wanted.options.space)),
        fc_mu_(register_module("fc_mu",
                               linear(wanted.options.values(), wanted.options.latent_dim, wanted))),
        fc_var_(register_module(
            "fc_var", linear(wanted.options.values(), wanted.options.latent_dim, wanted))),
        decoder_(register_module(
            "decoder", linear(wanted.options.latent_dim, wanted.options.values(), wanted))),
        output_(wanted.options.output) {
    if (wanted.options.latent_dim > wanted.options.values())
      throw std::invalid_argument("model.latent_dim is larger than a sample has values");
    finish(wanted.options.latent_dim, wanted.likelihood);
  }

 protected:
  model::Posterior encode_sample(const model::Sample& sample) override {
    const at::Tensor row = sample.x.flatten(1);
    return {fc_mu_->forward(row), model::clamp_log_var(fc_var_->forward(row))};
  }
  model::Decoded decode_latents(const at::Tensor& z, const model::Sample&) override {
    return {output_->forward(decoder_->forward(z)).view(shape_), {}};
  }

 private:
  static model::Linear linear(std::int64_t in, std::int64_t out,
                              const model::NetworkRequest& wanted) {
    return model::Linear(
        torch::nn::LinearOptions(in, out).bias(wanted.settings<LinearVaeSettings>().offset));
  }

  std::vector<std::int64_t> shape_;
  model::Linear fc_mu_, fc_var_, decoder_;
  model::ActivationModule output_;
};

const model::RegisteredNetwork registered(
    {{.name = "linear_vae",
      .help = "a linear encoder and a linear decoder",
      .own = base::own_keys<LinearVaeSettings>([](base::Section& keys, LinearVaeSettings& own) {
        keys.key("offset", own.offset, "the layers have biases");
      })}},
    [](const model::NetworkRequest& wanted) { return std::make_shared<LinearVae>(wanted); });

}  // namespace
}  // namespace third_party
