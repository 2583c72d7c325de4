#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "config/words.hpp"
#include "step/make_model.hpp"

namespace vae_dist::step {
namespace {

const arrays::SampleShape kImages = {3, {32, 32}};

config::Config seeded_config(std::int64_t seed, const std::string& precision = "fp32") {
  config::Config config;
  config.run.seed = seed;
  config.model.hidden_dims = {16, 32};
  config.model.latent_dim = 20;
  config.train.precision = config::from_word<config::Precision>(precision);
  return config;
}

TEST(InitialWeights, FollowFromTheSeedAlone) {
  const auto first = make_model(seeded_config(7), kImages);
  at::manual_seed(99);
  const auto second = make_model(seeded_config(7), kImages);
  const parallel::NamedTensors ours = named_state(*first), theirs = named_state(*second);
  for (std::size_t i = 0; i < ours.size(); ++i)
    EXPECT_TRUE(ours[i].second.equal(theirs[i].second)) << ours[i].first;
}

TEST(InitialWeights, AreTheSameInBothPrecisions) {
  const auto single = make_model(seeded_config(7), kImages),
             twice = make_model(seeded_config(7, "fp64"), kImages);
  for (const auto& entry : twice->named_parameters()) {
    EXPECT_EQ(entry.value().scalar_type(), at::kDouble) << entry.key();
    EXPECT_TRUE(entry.value().to(at::kFloat).equal(single->named_parameters()[entry.key()]))
        << entry.key();
  }
}

TEST(InitialWeights, DifferBySeedAndByTensor) {
  const auto seven = make_model(seeded_config(7), kImages),
             eight = make_model(seeded_config(8), kImages);
  for (const auto& entry : seven->named_parameters()) {
    const bool of_batch_norm =
        entry.key().ends_with(".1.weight") || entry.key().ends_with(".1.bias");
    EXPECT_EQ(entry.value().equal(eight->named_parameters()[entry.key()]), of_batch_norm)
        << entry.key();
  }
  // Parameters of equal shape within one model must differ too.
  EXPECT_FALSE(
      seven->named_parameters()["fc_mu.weight"].equal(seven->named_parameters()["fc_var.weight"]));
  EXPECT_FALSE(
      seven->named_parameters()["fc_mu.bias"].equal(seven->named_parameters()["fc_var.bias"]));
}

// fan_in is weight.size(1) * kernel size, as in torch.nn.init._calculate_fan_in_and_fan_out.
TEST(InitialWeights, AreUniformWithinOneOverTheRootOfTheFanIn) {
  const std::map<std::string, double> fan_in = {
      {"encoder.0.0", 3 * 9},    {"encoder.1.0", 16 * 9},   {"fc_mu", 32 * 64},
      {"fc_var", 32 * 64},       {"decoder_input", 20},     {"decoder.0.0", 16 * 9},
      {"final_layer.0", 16 * 9}, {"final_layer.3", 16 * 9},
  };
  const auto model = make_model(seeded_config(7), kImages);
  std::size_t found = 0;
  for (const auto& [layer, fan] : fan_in) {
    const at::Tensor weight = model->named_parameters()[layer + ".weight"].detach(),
                     bias = model->named_parameters()[layer + ".bias"].detach();
    const double bound = 1 / std::sqrt(fan), count = static_cast<double>(weight.numel());
    EXPECT_LE(weight.abs().max().item<double>(), bound * (1 + 1e-6)) << layer;
    EXPECT_LE(bias.abs().max().item<double>(), bound * (1 + 1e-6)) << layer;
    // The bound is nearly reached, and mean and deviation match a uniform distribution within 5
    // standard errors.
    EXPECT_GT(weight.abs().max().item<double>(), bound * 0.95) << layer;
    EXPECT_LT(std::abs(weight.mean().item<double>()), 5 * bound / std::sqrt(3 * count)) << layer;
    EXPECT_NEAR(weight.square().mean().item<double>(), bound * bound / 3,
                5 * bound * bound * std::sqrt(4.0 / 45 / count))
        << layer;
    found += 2;
  }
  // The remaining parameters belong to batch norms, which start as the identity.
  for (const auto& entry : model->named_parameters()) {
    const std::string& name = entry.key();
    if (fan_in.count(name.substr(0, name.rfind('.'))) > 0) continue;
    const double expected = name.ends_with("weight") ? 1 : 0;
    EXPECT_TRUE(entry.value().equal(at::full_like(entry.value(), expected))) << name;
    ++found;
  }
  EXPECT_EQ(found, model->parameters().size());
}

}  // namespace
}  // namespace vae_dist::step
