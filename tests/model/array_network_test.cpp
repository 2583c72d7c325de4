// Networks on series, images, volumes and vectors, and with conditions. Their numbers are compared
// with PyTorch's in tests/golden.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/condition.hpp"
#include "model/initial_weights.hpp"
#include "model/network_registry.hpp"
#include "model/resnet_vae.hpp"

namespace vae_dist::model {
namespace {

using testing::HasSubstr;

NetworkOptions options_of(std::int64_t channels, Space space) {
  NetworkOptions options;
  options.channels = channels;
  options.space = std::move(space);
  options.latent_dim = 3;
  options.hidden_dims = {4, 6};
  return options;
}

std::shared_ptr<LatentModel> make(const std::string& name, const NetworkOptions& options) {
  const base::Network& described = base::Registry<base::Network>::all().at(name);
  auto network = make_network(name, {options, described.own.defaults, make_likelihood("gaussian")});
  draw_initial_weights(*network, 7);
  return network;
}

at::Tensor batch_of(const NetworkOptions& options, std::int64_t samples = 2) {
  std::vector<std::int64_t> sizes = batch_shape(options.channels, options.space);
  sizes[0] = samples;
  return at::rand(sizes);
}

std::string refusal(const std::string& name, const NetworkOptions& options) {
  try {
    make(name, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

// All but those whose layers come from files.
std::vector<std::string> networks() {
  std::vector<std::string> names;
  for (const auto& [name, network] : base::Registry<base::Network>::all())
    if (!network.foreign_layers) names.push_back(name);
  return names;
}

/// Parameter: a sample's space axes.
class EveryShape : public testing::TestWithParam<Space> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
};

TEST_P(EveryShape, IsDecodedToItselfByEveryNetworkThatTakesIt) {
  for (const std::string& name : networks()) {
    SCOPED_TRACE(name);
    const NetworkOptions options = options_of(5, GetParam());
    if (GetParam().empty() && name != "mlp_vae") {
      EXPECT_THAT(refusal(name, options), HasSubstr("use model.name mlp_vae"));
      continue;
    }
    const auto network = make(name, options);
    const at::Tensor x = batch_of(options);
    if (network->latent_kind() != base::LatentKind::none) {
      EXPECT_EQ(network->encode(x).mu.sizes(), (std::vector<std::int64_t>{2, 3}));
    }
    const Decoded decoded = network->decode(at::randn({2, 3}));
    EXPECT_EQ(decoded.output.sizes(), x.sizes());
    decoded.output.sum().backward();
  }
}

// Convolutions and matrix products of any dimension go through the ways of bfloat16.
TEST_P(EveryShape, IsNearlyTheSameInBfloat16) {
  for (const std::string& name : networks()) {
    if (GetParam().empty() && name != "mlp_vae") continue;
    SCOPED_TRACE(name);
    const auto network = make(name, options_of(5, GetParam()));
    network->eval();
    const at::NoGradGuard no_grad;
    const at::Tensor z = at::randn({2, 3}), exact = network->decode(z).output;
    network->use_bfloat16(true);
    const at::Tensor rounded = network->decode(z).output;
    EXPECT_EQ(rounded.scalar_type(), at::kFloat);
    EXPECT_TRUE(rounded.allclose(exact, 0.05, 0.05));
    EXPECT_FALSE(rounded.equal(exact));
  }
}

INSTANTIATE_TEST_SUITE_P(Arrays, EveryShape,
                         testing::Values(Space{}, Space{1}, Space{13}, Space{16}, Space{9, 12},
                                         Space{1, 7}, Space{5, 4, 6}, Space{1, 1, 1},
                                         Space{3, 8, 2}));

TEST(EveryNetwork, RefusesMoreThanThreeAxesOfSpaceUnlessItHasNoConvolutions) {
  const NetworkOptions options = options_of(2, {2, 3, 2, 2});
  for (const std::string& name : networks())
    if (name == "mlp_vae") {
      EXPECT_EQ(make(name, options)->decode(at::randn({1, 3})).output.sizes(),
                (std::vector<std::int64_t>{1, 2, 2, 3, 2, 2}));
    } else {
      EXPECT_THAT(refusal(name, options), HasSubstr("work on three at most"));
    }
}

// The names of images' parameters are PyTorch-VAE's; those of other shapes are the same.
TEST(EveryNetwork, NamesItsParametersAlikeForEveryShape) {
  for (const std::string& name : networks()) {
    const auto images = make(name, options_of(2, {8, 8})), series = make(name, options_of(2, {8})),
               volumes = make(name, options_of(2, {8, 8, 8}));
    EXPECT_EQ(images->named_parameters().keys(), series->named_parameters().keys());
    EXPECT_EQ(images->named_parameters().keys(), volumes->named_parameters().keys());
  }
}

// A series is an image whose rows are all the same, if the kernels do not mix rows.
TEST(Convolutions, OfASeriesAreThoseOfAnImageOfOneRow) {
  Convolution line(ConvolutionOptions{.in_channels = 2,
                                      .out_channels = 3,
                                      .kernel = 3,
                                      .stride = 2,
                                      .padding = 1,
                                      .dimensions = 1});
  Convolution plane(ConvolutionOptions{
      .in_channels = 2, .out_channels = 3, .kernel = 3, .stride = 2, .padding = 1});
  Convolution volume(ConvolutionOptions{.in_channels = 2,
                                        .out_channels = 3,
                                        .kernel = 3,
                                        .stride = 2,
                                        .padding = 1,
                                        .dimensions = 3});
  const at::NoGradGuard no_grad;
  plane->weight.zero_();
  plane->weight.select(2, 1).copy_(line->weight);
  plane->bias.copy_(line->bias);
  volume->weight.zero_();
  volume->weight.select(2, 1).copy_(plane->weight);
  volume->bias.copy_(line->bias);
  const at::Tensor x = at::randn({4, 2, 11});
  const at::Tensor y = line->forward(x);
  EXPECT_TRUE(plane->forward(x.unsqueeze(2)).squeeze(2).allclose(y, 1e-5, 1e-6));
  EXPECT_TRUE(
      volume->forward(x.unsqueeze(2).unsqueeze(2)).squeeze(2).squeeze(2).allclose(y, 1e-5, 1e-6));
}

// On a CPU the fused kernels of images normalise volumes too.
TEST(Normalisations, OfVolumesDoNotDependOnTheMemoryFormat) {
  const at::Tensor x = at::randn({3, 8, 4, 5, 6}), v = at::randn({3, 8, 4, 5, 6});
  const auto results = [&](torch::nn::AnyModule layer, at::MemoryFormat format) {
    const at::Tensor input = x.contiguous(format).detach().requires_grad_();
    const at::Tensor y = layer.forward(input);
    (y * v).sum().backward();
    return std::vector<at::Tensor>{y.detach(), input.grad()};
  };
  const auto both = [&](const auto& layer) {
    const auto last = results(torch::nn::AnyModule(layer), at::MemoryFormat::ChannelsLast3d),
               first = results(torch::nn::AnyModule(layer), at::MemoryFormat::Contiguous);
    for (std::size_t i = 0; i < last.size(); ++i)
      EXPECT_TRUE(last[i].allclose(first[i], 1e-4, 1e-5)) << i;
    EXPECT_TRUE(last[0].is_contiguous(at::MemoryFormat::ChannelsLast3d));
  };
  both(BatchNorm(8, Activation::leaky_relu));
  both(group_norm(8, GroupNormWays{}, Activation::silu));
  both(group_norm(8, GroupNormWays{}, Activation::leaky_relu));
}

TEST(Normalisations, OverRanksAreTheLocalOnesForEveryShape) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{6, 3, 7}, {6, 3, 4, 5}, {6, 3, 2, 4, 3}}) {
    const at::Tensor x = at::randn(shape), v = at::randn(shape);
    const auto results = [&](BatchNorm layer) {
      const at::Tensor input = x.detach().requires_grad_();
      const at::Tensor y = layer->forward(input);
      (y * v).sum().backward();
      return std::vector<at::Tensor>{y, input.grad(), layer->weight.grad(), layer->batch_mean,
                                     layer->batch_var};
    };
    BatchNorm global(3);
    global->set_sum_over_ranks([](at::Tensor&) {});
    const auto ours = results(global), local = results(BatchNorm(3));
    for (std::size_t i = 0; i < ours.size(); ++i)
      EXPECT_TRUE(ours[i].allclose(local[i], 1e-4, 1e-5)) << i;
  }
}

// The statistics of all layers may be views of one tensor.
TEST(Normalisations, MayReportIntoOneMemoryWhateverTheFormatOfEach) {
  const at::Tensor arena = at::zeros({4, 3});
  BatchNorm plain(3), fused(3);
  plain->batch_mean = arena[0];
  plain->batch_var = arena[1];
  fused->batch_mean = arena[2];
  fused->batch_var = arena[3];
  const at::Tensor x = at::randn({6, 3, 4, 4}).requires_grad_();
  const at::Tensor small = fused->forward(plain->forward(x).mean({2, 3}, /*keepdim=*/true));
  small.square().sum().backward();
  EXPECT_TRUE(arena[0].allclose(x.detach().mean({0, 2, 3}), 1e-5, 1e-6));
  EXPECT_TRUE(at::isfinite(x.grad()).all().item<bool>());
}

TEST(ResnetVae, ComputesBlocksOfVolumesAgainWithTheSameBits) {
  std::vector<std::vector<at::Tensor>> gradients;
  const at::Tensor x = at::rand({2, 2, 6, 4, 5}), noise = at::randn({2, 3});
  for (const bool again : {false, true}) {
    NetworkOptions options = options_of(2, {6, 4, 5});
    options.recompute_blocks = again;
    ResnetOptions resnet;
    resnet.attention_at = {3};
    const auto network = std::make_shared<ResnetVae>(options, resnet, make_likelihood("gaussian"));
    draw_initial_weights(*network, 3);
    network->forward({x, noise}).reconstruction.square().sum().backward();
    std::vector<at::Tensor>& found = gradients.emplace_back();
    for (const at::Tensor& parameter : network->parameters())
      if (parameter.grad().defined()) found.push_back(parameter.grad());
  }
  ASSERT_EQ(gradients[0].size(), gradients[1].size());
  EXPECT_GT(gradients[0].size(), 20U);
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_TRUE(gradients[0][i].equal(gradients[1][i])) << i;
}

TEST(LinearVae, HasNoHiddenLayers) {
  NetworkOptions options = options_of(7, {});
  options.hidden_dims = {};
  options.output = Activation::identity;
  const auto network = make("mlp_vae", options);
  EXPECT_THAT(network->named_parameters().keys(),
              testing::ElementsAre("fc_mu.weight", "fc_mu.bias", "fc_var.weight", "fc_var.bias",
                                   "final_layer.0.weight", "final_layer.0.bias"));
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::randn({5, 7}), z = at::randn({5, 3});
  EXPECT_TRUE(network->encode(2 * x).mu.allclose(
      2 * network->encode(x).mu - network->encode(at::zeros({5, 7})).mu, 1e-4, 1e-5));
  EXPECT_TRUE(network->decode(2 * z).output.allclose(
      2 * network->decode(z).output - network->decode(at::zeros({5, 3})).output, 1e-4, 1e-5));
}

NetworkOptions conditional(Space space) {
  NetworkOptions options = options_of(2, std::move(space));
  options.condition_values = 4;
  return options;
}

Sample with(const at::Tensor& x, const at::Tensor& condition) {
  Sample sample(x);
  sample.condition = condition;
  return sample;
}

TEST(Condition, EntersEncoderAndDecoderOfEveryNetworkThatTakesIt) {
  for (const std::string& name : networks()) {
    SCOPED_TRACE(name);
    if (!base::Registry<base::Network>::all().at(name).takes_condition) {
      EXPECT_THAT(refusal(name, conditional({8, 6})), HasSubstr("takes no condition"));
      continue;
    }
    for (const Space& space : {Space{13}, Space{8, 6}, Space{4, 4, 4}}) {
      const NetworkOptions options = conditional(space);
      const auto network = make(name, options);
      network->eval();
      const at::Tensor x = batch_of(options, 3), z = at::randn({3, 3}), y = at::randn({3, 4}),
                       other = y.flip(0);
      EXPECT_FALSE(network->encode(with(x, y)).mu.allclose(network->encode(with(x, other)).mu));
      EXPECT_FALSE(network->decode(z, with({}, y))
                       .output.allclose(network->decode(z, with({}, other)).output));
      // The middle sample's condition is the same.
      EXPECT_TRUE(network->encode(with(x, y))
                      .mu[1]
                      .allclose(network->encode(with(x, other)).mu[1], 1e-4, 1e-5));
      EXPECT_THROW(network->encode(x), std::logic_error);
      EXPECT_THROW(network->decode(z), std::logic_error);
      EXPECT_THROW(network->decode(z, with({}, y.narrow(1, 0, 3))), std::logic_error);
    }
  }
}

TEST(Condition, HasPyTorchVaesNamesInAConvolutionalNetwork) {
  const auto parameters = make("vanilla_vae", conditional({8, 6}))->named_parameters();
  EXPECT_EQ(parameters.keys()[0], "embed_class.weight");
  EXPECT_EQ(parameters["embed_class.weight"].sizes(), (std::vector<std::int64_t>{48, 4}));
  EXPECT_EQ(parameters["embed_data.weight"].sizes(), (std::vector<std::int64_t>{2, 2, 1, 1}));
  EXPECT_EQ(parameters["encoder.0.0.weight"].sizes(), (std::vector<std::int64_t>{4, 3, 3, 3}));
  EXPECT_EQ(parameters["decoder_input.weight"].size(1), 3 + 4);
}

TEST(Condition, IsTheSameAtEachPositionOfASpatialLatent) {
  const NetworkOptions options = conditional({8, 8});
  ResnetOptions resnet;
  resnet.spatial_latent = true;
  ResnetVae network(options, resnet, make_likelihood("gaussian"));
  EXPECT_EQ(network.named_parameters()["latent_input.weight"].size(1), 3 + 4);
  const at::Tensor y = at::randn({2, 4});
  const at::Tensor joined =
      with_condition_everywhere(at::zeros({2, 3, 4, 5}), with({}, y), 4).narrow(1, 3, 4);
  EXPECT_TRUE(joined.equal(y.view({2, 4, 1, 1}).expand({2, 4, 4, 5})));
}

TEST(Condition, IsCutWithTheBatch) {
  const Sample batch = with(at::zeros({6, 2}), at::arange(12).view({6, 2}));
  EXPECT_TRUE(batch.narrow(2, 3).condition.equal(batch.condition.narrow(0, 2, 3)));
}

}  // namespace
}  // namespace vae_dist::model
