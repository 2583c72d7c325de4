// FactorVAE (Kim, Mnih 2018, "Disentangling by Factorising", eq. 2 and algorithm 2). A critic
// learns to tell codes z ~ q(z) from codes whose dimensions are permuted independently of each
// other over the batch, which are draws of the product of q(z_d). Its logits then estimate the
// density ratio, and with it the total correlation:
//
//   TC  ~  E log D(z) / (1 - D(z))  =  E [logit(z) - logit(permuted)]
//
// The first half of the batch gives z; the permuted codes come from the second half, the paper's
// second batch, by the order of each sample's own random numbers. The model and the critic are
// updated at once, with codes from before the update; the paper updates the critic after the model.
// The bound itself uses the whole batch.
#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include "objective/regulariser.hpp"

namespace vae_dist::objective {
namespace {

struct FactorSettings {
  std::int64_t width = 1000, layers = 6;
  double learning_rate = 1e-4;
  std::vector<double> betas = {0.5, 0.9};
};

constexpr double kSlope = 0.2;  // of the leaky ReLU behind each hidden layer

// Linear layers, named as in a torch.nn.Sequential: "0", "2", "4", ...
class CriticNetwork : public torch::nn::Module {
 public:
  CriticNetwork(std::int64_t latent, const FactorSettings& own) {
    std::int64_t in = latent;
    for (std::int64_t i = 0; i < own.layers; ++i, in = own.width)
      layers_.emplace_back(register_module(
          std::to_string(2 * i), torch::nn::Linear(in, i + 1 < own.layers ? own.width : 2)));
  }

  // [B, 2]: the logits of a code and of a permuted one.
  at::Tensor logits(at::Tensor x, bool learns) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const at::Tensor &weight = layers_[i]->weight, &bias = layers_[i]->bias;
      x = learns ? at::linear(x, weight, bias) : at::linear(x, weight.detach(), bias.detach());
      if (i + 1 < layers_.size()) x = at::leaky_relu(x, kSlope);
    }
    return x;
  }

 private:
  std::vector<torch::nn::Linear> layers_;
};

class FactorCritic : public Critic {
 public:
  explicit FactorCritic(const FactorSettings& own) : own_(own) {}

  // Objectives that share their options share the critic.
  void build(std::int64_t latent) override {
    if (!network_) network_ = std::make_shared<CriticNetwork>(latent, own_);
  }
  torch::nn::Module& network() override { return *network_; }

  at::Tensor values(const at::Tensor& z) const override {
    const at::Tensor logits = network_->logits(z, /*learns=*/false);
    return logits.select(1, 0) - logits.select(1, 1);
  }

  at::Tensor losses(const at::Tensor& z, const at::Tensor& is_permuted) const override {
    return at::cross_entropy_loss(network_->logits(z.detach(), /*learns=*/true),
                                  is_permuted.to(at::kLong), {}, at::Reduction::None);
  }

  double learning_rate() const override { return own_.learning_rate; }
  std::vector<double> betas() const override { return own_.betas; }

 private:
  FactorSettings own_;
  std::shared_ptr<CriticNetwork> network_;
};

const RegisteredRegulariser kFactor(
    {{.name = "factor",
      .help = "total correlation by a critic of its own (FactorVAE; Kim, Mnih 2018)",
      .own = base::own_keys<FactorSettings>([](base::Section& keys, FactorSettings& own) {
        keys.key("width", own.width, "width of the critic's hidden layers").at_least(1);
        keys.key("layers", own.layers, "number of the critic's linear layers").at_least(1);
        keys.key("learning_rate", own.learning_rate, "of the critic's Adam, at every step")
            .at_least(0);
        keys.key("betas", own.betas, "decay rates of the critic's Adam")
            .entries(2)
            .at_least(0)
            .below(1);
      })},
     /*needs_posterior=*/true,
     /*in_nats=*/true,
     /*estimates_total_correlation=*/true},
    [](const RegulariserRequest& wanted) {
      return MadeRegulariser(std::shared_ptr<Critic>(
                                 std::make_shared<FactorCritic>(wanted.settings<FactorSettings>())),
                             {{"factor_critic", 0}});
    });

}  // namespace
}  // namespace vae_dist::objective
