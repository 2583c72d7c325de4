#include "train/step/weights.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.hpp"
#include "train/step/make_model.hpp"

namespace vae_dist {
namespace {

constexpr ImageShape kShape = {1, 9, 12};

std::shared_ptr<LatentModel> model_of(std::int64_t seed) {
  Config config;
  config.run.seed = seed;
  config.model.hidden_dims = {4, 6};
  config.model.latent_dim = 3;
  return make_model(config, kShape);
}

TEST(Weights, GoFromModelToModelByName) {
  const auto from = model_of(1), to = model_of(2);
  from->named_buffers()["encoder.0.1.num_batches_tracked"].fill_(41);
  from->named_buffers()["final_layer.1.running_var"].fill_(0.3);
  restore_weights(*to, collect_weights(*from, "vanilla_vae", kShape), "weights");
  const TensorFile expected = collect_weights(*from, "vanilla_vae", kShape), restored = collect_weights(*to, "vanilla_vae", kShape);
  for (const auto& [name, tensor] : expected.tensors) EXPECT_TRUE(tensor.equal(restored.tensors.at(name))) << name;
  EXPECT_EQ(to->named_buffers()["encoder.0.1.num_batches_tracked"].item<std::int64_t>(), 41);
}

TEST(Weights, OfDoublePrecisionAreRounded) {
  const auto from = model_of(1), to = model_of(2);
  TensorFile weights = collect_weights(*from, "vanilla_vae", kShape);
  for (auto& [name, tensor] : weights.tensors)
    if (tensor.is_floating_point()) tensor = tensor.to(at::kDouble);
  restore_weights(*to, weights, "weights");
  EXPECT_TRUE(to->named_parameters()["fc_mu.weight"].equal(from->named_parameters()["fc_mu.weight"]));
}

TEST(Weights, SayWhichImagesTheyAreFor) {
  const auto model = model_of(1);
  EXPECT_EQ(image_shape_of(collect_weights(*model, "vanilla_vae", kShape), "weights"), kShape);
}

TEST(Weights, ThatDoNotSayItAreRefusedByName) {
  try {
    image_shape_of(TensorFile{}, "made_elsewhere.safetensors");
    FAIL();
  } catch (const BadInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("made_elsewhere.safetensors"));
  }
}

}  // namespace
}  // namespace vae_dist
