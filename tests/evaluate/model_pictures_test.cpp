#include "evaluate/model_pictures.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

using testing::ElementsAre;

bool close(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, 0, 1e-12); }

TEST(ImageBytes, RoundAndClampTheModelsRangeAndPutChannelsLast) {
  // Two channels of one row with two columns.
  const at::Tensor images = at::tensor({0.0, 0.5, 1.0, 1.7}).view({1, 2, 1, 2});
  EXPECT_THAT(image_bytes(images, 0, 1), ElementsAre(ElementsAre(0, 255, 128, 255)));
  EXPECT_THAT(image_bytes(images * 2 - 1, -1, 1), ElementsAre(ElementsAre(0, 255, 128, 255)));
  EXPECT_THAT(image_bytes(images - 3, 0, 1), ElementsAre(ElementsAre(0, 0, 0, 0)));
}

TEST(SamplePrior, GivesASampleThatDependsOnSeedAndNumberAlone) {
  const auto model = small_model();
  const at::Tensor many = sample_prior(*model, 300, 5), few = sample_prior(*model, 3, 5),
                   others = sample_prior(*model, 3, 6);
  EXPECT_THAT(many.sizes(), ElementsAre(300, 1, 8, 8));
  EXPECT_TRUE(close(many.slice(0, 0, 3), few));
  EXPECT_FALSE(close(others, few));
  EXPECT_FALSE(close(few[0], few[1]));
  EXPECT_FALSE(close(many[256], many[0])) << "what is decoded later is no repetition";
}

TEST(SamplePrior, OfTemperatureZeroIsTheDecodedOrigin) {
  const at::NoGradGuard no_grad;
  const auto model = small_model();
  const at::Tensor samples = sample_prior(*model, 2, 5, 0.0);
  EXPECT_TRUE(model->is_training()) << "the mode is the one before";
  model->eval();
  EXPECT_TRUE(close(samples, model->decode(at::zeros({2, 3}, at::kDouble)).output));
}

class Reconstruct : public StoredImages {
 protected:
  data::SampleDataset images() const {
    std::vector<std::uint8_t> bytes(9 * 64);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    return stored({9, 8, 8}, bytes);
  }
};

TEST_F(Reconstruct, DecodesTheMeanOfTheRowsAskedFor) {
  const at::NoGradGuard no_grad;
  const auto model = small_model();
  const data::SampleDataset data = images();
  const Reconstructions all = reconstruct(*model, data, 0, 9, format_of(data), Latent::mean, 0);
  const Reconstructions some = reconstruct(*model, data, 4, 2, format_of(data), Latent::mean, 0);
  EXPECT_TRUE(close(some.originals, all.originals.slice(0, 4, 6)));
  EXPECT_TRUE(close(some.reconstructions, all.reconstructions.slice(0, 4, 6)));
  EXPECT_TRUE(model->is_training());
  model->eval();
  EXPECT_TRUE(close(all.reconstructions, model->decode(model->encode(all.originals).mu).output));
}

TEST_F(Reconstruct, DrawsTheSamplesNoiseFromSeedAndRow) {
  const auto model = small_model();
  const data::SampleDataset data = images();
  const auto pictures = [&](std::int64_t first, std::int64_t count, Latent latent,
                            std::uint64_t seed) {
    return reconstruct(*model, data, first, count, format_of(data), latent, seed).reconstructions;
  };
  EXPECT_TRUE(
      close(pictures(4, 2, Latent::sample, 1), pictures(0, 9, Latent::sample, 1).slice(0, 4, 6)));
  EXPECT_FALSE(close(pictures(4, 2, Latent::sample, 1), pictures(4, 2, Latent::sample, 2)));
  EXPECT_FALSE(close(pictures(4, 2, Latent::sample, 1), pictures(4, 2, Latent::mean, 1)));
}

}  // namespace
}  // namespace vae_dist::evaluate
