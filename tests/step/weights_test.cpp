#include "step/weights.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.hpp"
#include "inference/foreign_weights.hpp"
#include "step/make_model.hpp"

namespace vae_dist::step {
namespace {

const arrays::SampleShape kWeightsShape = {1, {9, 12}};

std::shared_ptr<model::LatentModel> model_of(std::int64_t seed) {
  config::Config config;
  config.run.seed = seed;
  config.model.hidden_dims = {4, 6};
  config.model.latent_dim = 3;
  return make_model(config, kWeightsShape);
}

checkpoint::TensorFile weights_of(const model::LatentModel& model) {
  return collect_weights(model, weights_metadata(config::Config{}, kWeightsShape));
}

TEST(Weights, GoFromModelToModelByName) {
  const auto from = model_of(1), to = model_of(2);
  from->named_buffers()["encoder.0.1.num_batches_tracked"].fill_(41);
  from->named_buffers()["final_layer.1.running_var"].fill_(0.3);
  restore_weights(*to, weights_of(*from), "weights");
  const checkpoint::TensorFile expected = weights_of(*from), restored = weights_of(*to);
  for (const auto& [name, tensor] : expected.tensors)
    EXPECT_TRUE(tensor.equal(restored.tensors.at(name))) << name;
  EXPECT_EQ(to->named_buffers()["encoder.0.1.num_batches_tracked"].item<std::int64_t>(), 41);
}

TEST(Weights, OfDoublePrecisionAreRounded) {
  const auto from = model_of(1), to = model_of(2);
  checkpoint::TensorFile weights = weights_of(*from);
  for (auto& [name, tensor] : weights.tensors)
    if (tensor.is_floating_point()) tensor = tensor.to(at::kDouble);
  restore_weights(*to, weights, "weights");
  EXPECT_TRUE(
      to->named_parameters()["fc_mu.weight"].equal(from->named_parameters()["fc_mu.weight"]));
}

TEST(ForeignWeights, LoseTheNamesOfTheirWrappersInAnyOrder) {
  for (const char* name :
       {"encoder.0.0.weight", "module.encoder.0.0.weight", "model.encoder.0.0.weight",
        "_orig_mod.encoder.0.0.weight", "module.model.encoder.0.0.weight",
        "model.module._orig_mod.encoder.0.0.weight",
        "_orig_mod.module.model.model.encoder.0.0.weight",
        "model.encoder._orig_mod.0.module.0.weight"})
    EXPECT_EQ(inference::bare_name(name), "encoder.0.0.weight") << name;
  for (const char* name :
       {"encoder.model.weight", "modules.weight", "model", "module", "remodel.weight"})
    EXPECT_EQ(inference::bare_name(name), name);
}

TEST(Weights, SayWhichImagesTheyAreFor) {
  const auto model = model_of(1);
  EXPECT_EQ(sample_shape_of(weights_of(*model), "weights"), kWeightsShape);
}

TEST(Weights, ThatDoNotSayItAreRefusedByName) {
  try {
    sample_shape_of(checkpoint::TensorFile{}, "made_elsewhere.safetensors");
    FAIL();
  } catch (const base::BadInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("made_elsewhere.safetensors"));
  }
}

}  // namespace
}  // namespace vae_dist::step
