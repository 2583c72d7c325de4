#include "model/vanilla_vae.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

namespace vae_dist::model {
namespace {

using testing::ElementsAre;

std::shared_ptr<VanillaVae> vanilla_vae(const NetworkOptions& options) {
  return std::make_shared<VanillaVae>(options, make_likelihood("gaussian"));
}

std::vector<std::string> names(const std::shared_ptr<VanillaVae>& model, bool buffers) {
  std::vector<std::string> out;
  if (buffers) {
    for (const auto& entry : model->named_buffers()) out.push_back(entry.key());
  } else {
    for (const auto& entry : model->named_parameters()) out.push_back(entry.key());
  }
  return out;
}

NetworkOptions two_levels() {
  NetworkOptions options;
  options.channels = 1;
  options.space = {8, 8};
  options.latent_dim = 3;
  options.hidden_dims = {2, 4};
  return options;
}

class ImageSize : public testing::TestWithParam<std::pair<std::int64_t, std::int64_t>> {};

TEST_P(ImageSize, ComesBackFromTheDecoder) {
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  for (const std::int64_t channels : {1, 3}) {
    NetworkOptions options;
    options.channels = channels;
    const auto [height, width] = GetParam();
    options.space = {height, width};
    options.latent_dim = 6;
    options.hidden_dims = {2, 3, 4, 5, 6};
    const auto model = vanilla_vae(options);
    const VaeOutput out =
        model->forward({at::rand({2, channels, height, width}), at::zeros({2, 6})});
    EXPECT_THAT(out.reconstruction.sizes(), ElementsAre(2, channels, height, width));
    EXPECT_THAT(out.input.sizes(), ElementsAre(2, channels, height, width));
    EXPECT_THAT(out.mu.sizes(), ElementsAre(2, 6));
    EXPECT_THAT(out.log_var.sizes(), ElementsAre(2, 6));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ImageSize,
                         testing::Values(std::pair{28, 28}, std::pair{32, 32}, std::pair{45, 27},
                                         std::pair{64, 64}, std::pair{128, 128}, std::pair{1, 33},
                                         std::pair{16, 97}),
                         [](const auto& info) {
                           return std::to_string(info.param.first) + "x" +
                                  std::to_string(info.param.second);
                         });

TEST(VanillaVae, NamesParametersAndBuffersAsPyTorchVae) {
  const auto model = vanilla_vae(two_levels());
  EXPECT_THAT(
      names(model, false),
      ElementsAre(
          "encoder.0.0.weight", "encoder.0.0.bias", "encoder.0.1.weight", "encoder.0.1.bias",  //
          "encoder.1.0.weight", "encoder.1.0.bias", "encoder.1.1.weight", "encoder.1.1.bias",  //
          "fc_mu.weight", "fc_mu.bias", "fc_var.weight", "fc_var.bias",                        //
          "decoder_input.weight", "decoder_input.bias",                                        //
          "decoder.0.0.weight", "decoder.0.0.bias", "decoder.0.1.weight", "decoder.0.1.bias",  //
          "final_layer.0.weight", "final_layer.0.bias", "final_layer.1.weight",
          "final_layer.1.bias",  //
          "final_layer.3.weight", "final_layer.3.bias"));
  EXPECT_THAT(names(model, true),
              ElementsAre("encoder.0.1.running_mean", "encoder.0.1.running_var",
                          "encoder.0.1.num_batches_tracked",  //
                          "encoder.1.1.running_mean", "encoder.1.1.running_var",
                          "encoder.1.1.num_batches_tracked",  //
                          "decoder.0.1.running_mean", "decoder.0.1.running_var",
                          "decoder.0.1.num_batches_tracked",  //
                          "final_layer.1.running_mean", "final_layer.1.running_var",
                          "final_layer.1.num_batches_tracked"));
}

TEST(VanillaVae, IsAsLargeAsPyTorchVaesByDefault) {
  // sum(p.numel() for p in VanillaVAE(3, 64, 64, 128, [32, 64, 128, 256, 512]).parameters()) of
  // tests/golden/vanilla_vae_reference.py.
  const auto model = vanilla_vae(NetworkOptions());
  std::int64_t count = 0;
  for (const at::Tensor& parameter : model->parameters()) count += parameter.numel();
  EXPECT_EQ(count, 3937635);
}

TEST(VanillaVae, TrainsEveryParameterButTheBiasesThatFeedABatchNorm) {
  const auto model = vanilla_vae(two_levels());
  std::vector<std::string> kept;
  for (const auto& entry : model->named_parameters())
    if (!entry.value().requires_grad()) kept.push_back(entry.key());
  EXPECT_THAT(kept, ElementsAre("encoder.0.0.bias", "encoder.1.0.bias", "decoder.0.0.bias",
                                "final_layer.0.bias"));
}

TEST(VanillaVae, ClampsLogVarSoThatItsExponentialNeitherOverflowsNorVanishes) {
  const at::NoGradGuard no_grad;
  const auto model = vanilla_vae(two_levels());
  model->eval();
  at::Tensor bias = model->named_parameters()["fc_var.bias"];
  model->named_parameters()["fc_var.weight"].zero_();
  bias.copy_(at::tensor({1e6F, -1e6F, 1.5F}));
  const Posterior posterior = model->encode(at::rand({2, 1, 8, 8}));
  EXPECT_TRUE(posterior.log_var.equal(at::tensor({20.0F, -30.0F, 1.5F}).expand({2, 3})));
  const at::Tensor deviation = (posterior.log_var / 2).exp();
  EXPECT_TRUE(deviation.isfinite().all().item<bool>());
  EXPECT_GT(deviation.min().item<float>(), 0);
}

TEST(VanillaVae, ReparameterizesByMeanAndDeviation) {
  const at::Tensor mu = at::tensor({1.0, 2.0}), log_var = at::tensor({0.0, 1.3862943611198906}),
                   noise = at::tensor({0.5, -1.5});
  const at::Tensor z = reparameterize({mu, log_var}, noise);
  EXPECT_NEAR(z[0].item<double>(), 1.5, 1e-15);
  EXPECT_NEAR(z[1].item<double>(), 2.0 - 1.5 * 2, 1e-15);
}

TEST(VanillaVae, DrawsNoRandomNumbersItself) {
  const at::NoGradGuard no_grad;
  const auto model = vanilla_vae(two_levels());
  const at::Tensor x = at::rand({4, 1, 8, 8}), noise = at::randn({4, 3});
  const at::Tensor first = model->forward({x, noise}).reconstruction,
                   second = model->forward({x, noise}).reconstruction;
  EXPECT_TRUE(first.equal(second));
  EXPECT_FALSE(first.equal(model->forward({x, noise + 1}).reconstruction));
}

TEST(VanillaVae, LeavesItsRunningStatisticsToTheStep) {
  const auto model = vanilla_vae(two_levels());
  model->forward({at::rand({4, 1, 8, 8}), at::zeros({4, 3})});
  ASSERT_EQ(model->batch_norms().size(), 4U);
  for (const BatchNorm& layer : model->batch_norms()) {
    EXPECT_TRUE(layer->running_mean.equal(at::zeros_like(layer->running_mean)));
    EXPECT_TRUE(layer->running_var.equal(at::ones_like(layer->running_var)));
    EXPECT_EQ(layer->num_batches_tracked.item<std::int64_t>(), 0);
    EXPECT_FALSE(layer->batch_mean.equal(at::zeros_like(layer->batch_mean)));
  }
}

TEST(VanillaVae, NeedsALevel) {
  NetworkOptions options = two_levels();
  options.hidden_dims.clear();
  EXPECT_THROW(vanilla_vae(options), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::model
