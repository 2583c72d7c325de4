// Tests frozen modules, and forwards that report no statistics.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "model/vanilla_vae.hpp"

namespace vae_dist::model {
namespace {

std::shared_ptr<VanillaVae> vae_of_two_levels() {
  NetworkOptions options;
  options.channels = 1;
  options.space = {8, 8};
  options.latent_dim = 2;
  options.hidden_dims = {4, 6};
  return std::make_shared<VanillaVae>(options, make_likelihood("gaussian"));
}

TEST(Freeze, TakesAModulesParametersOutOfTrainingAndKeepsItsRunningStatisticsInUse) {
  const auto vae = vae_of_two_levels();
  const std::size_t all = vae->batch_norms().size();
  vae->freeze({"encoder", "fc_mu.weight"});
  for (const auto& entry : vae->named_parameters())
    if (entry.key().starts_with("encoder.") || entry.key() == "fc_mu.weight") {
      EXPECT_FALSE(entry.value().requires_grad()) << entry.key();
    }
  EXPECT_TRUE(vae->named_parameters()["fc_mu.bias"].requires_grad());
  EXPECT_TRUE(vae->named_parameters()["decoder_input.weight"].requires_grad());
  EXPECT_EQ(vae->batch_norms().size(), all - 2);

  vae->eval();
  vae->train();
  const at::Tensor x = at::rand({6, 1, 8, 8});
  const at::Tensor in_training = vae->encode(x).mu;
  EXPECT_TRUE(vae->decode(at::zeros({2, 2})).output.requires_grad()) << "the decoder learns";
  vae->eval();
  EXPECT_TRUE(vae->encode(x).mu.equal(in_training));
}

TEST(Freeze, NamesWhatThereIsWhereNothingIsCalledSo) {
  try {
    vae_of_two_levels()->freeze({"encoda"});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("'encoda'"),
                               testing::HasSubstr(
                                   "encoder, fc_mu, fc_var, decoder_input, decoder, final_layer")));
  }
}

TEST(SilentForward, GivesTheSameAndReportsNothing) {
  const auto vae = vae_of_two_levels();
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::rand({6, 1, 8, 8});
  const at::Tensor first = vae->encode(x).mu;
  const BatchNorm layer = vae->batch_norms().front();
  const at::Tensor mean = layer->batch_mean.clone(), variance = layer->batch_var.clone();
  {
    const SilentForward repeated(*vae);
    EXPECT_TRUE(vae->encode(x).mu.equal(first));
    vae->encode(3 * x);
    EXPECT_TRUE(layer->batch_mean.equal(mean));
    EXPECT_TRUE(layer->batch_var.equal(variance));
  }
  vae->encode(3 * x);
  EXPECT_FALSE(layer->batch_mean.equal(mean));
}

}  // namespace
}  // namespace vae_dist::model
