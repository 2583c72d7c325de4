#include "evaluate/random_embedding.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>

#include "base/error.hpp"
#include "evaluate/coverage.hpp"

namespace vae_dist::evaluate {
namespace {

at::Tensor images(at::IntArrayRef shape, std::uint64_t seed = 1) {
  return at::rand(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

TEST(RandomEmbedding, TakesAnySizeFromEightPixels) {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {20, 1, 8, 8}, {20, 3, 9, 30}, {20, 1, 28, 28}, {20, 4, 64, 64}, {20, 3, 200, 130}}) {
    const at::Tensor features = random_embedding(images(shape));
    EXPECT_THAT(features.sizes(), testing::ElementsAre(20, kEmbeddingFeatures));
    // Most features carry information: they are not 0 for all images.
    EXPECT_GT(features.sum(0).gt(0).sum().item<std::int64_t>(), kEmbeddingFeatures / 2) << shape;
  }
  EXPECT_THAT(random_embedding(images({0, 1, 28, 28})).sizes(),
              testing::ElementsAre(0, kEmbeddingFeatures));
  EXPECT_THROW(random_embedding(images({2, 1, 8, 7})), base::BadInput);
  EXPECT_THROW(random_embedding(images({2, 8, 8})), base::BadInput);
  EXPECT_THROW(random_embedding(at::ones({2, 1, 8, 8}, at::kByte)), base::BadInput);
}

TEST(RandomEmbedding, IsTheSameForEveryoneAndLeavesTheGlobalGeneratorAlone) {
  const at::Tensor x = images({3, 3, 32, 32});
  at::manual_seed(1);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(1);
  const at::Tensor features = random_embedding(x);
  EXPECT_TRUE(at::rand({4}).equal(expected));
  EXPECT_TRUE(random_embedding(x).equal(features));
  EXPECT_FALSE(random_embedding(x, 1).allclose(features, 0.1, 0.1));
  // Users compare the figures of different runs, so these numbers, computed when the embedding was
  // fixed, must not change.
  const at::Tensor ramp = random_embedding(at::linspace(0, 1, 28 * 28).view({1, 1, 28, 28}));
  EXPECT_NEAR(ramp.sum().item<double>(), 22.12805, 1e-3);
  EXPECT_NEAR(ramp.norm().item<double>(), 3.067086, 1e-3);
}

TEST(RandomEmbedding, OfAnImageDoesNotDependOnTheOthers) {
  const at::Tensor x = images({300, 1, 16, 16});  // more than one block
  const at::Tensor together = random_embedding(x);
  EXPECT_TRUE(
      random_embedding(x.slice(0, 290, 291)).allclose(together.slice(0, 290, 291), 1e-5, 1e-5));
}

TEST(RandomEmbedding, ScalesWithTheImages) {
  const at::Tensor x = images({5, 3, 24, 24});
  EXPECT_TRUE(random_embedding(x * 4).equal(random_embedding(x) * 4));
}

TEST(RandomEmbedding, TellsWhereThingsAre) {
  at::Tensor left = at::zeros({1, 1, 32, 32}), right = left.clone();
  left.slice(3, 4, 12).fill_(1);
  right.slice(3, 20, 28).fill_(1);
  const at::Tensor features = random_embedding(left);
  EXPECT_GT((features - random_embedding(right)).norm().item<double>(),
            0.3 * features.norm().item<double>());
}

TEST(RandomEmbedding, TellsShapesFromTheSamePixelsInDisorder) {
  const auto squares = [](std::uint64_t seed) {
    const at::Tensor places =
        at::randint(16, {300, 2}, at::detail::createCPUGenerator(seed), at::kLong);
    at::Tensor pictures = at::zeros({300, 1, 24, 24});
    for (std::int64_t i = 0; i < 300; ++i)
      pictures[i]
          .slice(1, places[i][0].item<std::int64_t>(), places[i][0].item<std::int64_t>() + 8)
          .slice(2, places[i][1].item<std::int64_t>(), places[i][1].item<std::int64_t>() + 8)
          .fill_(1);
    return pictures;
  };
  const at::Tensor real = squares(1), others = squares(2);
  const at::Tensor order = at::randperm(24 * 24, at::detail::createCPUGenerator(3), at::kLong);
  const at::Tensor disorder = others.flatten(1).index_select(1, order).view(others.sizes());
  const auto coverage = [&](const at::Tensor& fake) {
    return coverage_of(random_embedding(real), random_embedding(fake)).coverage;
  };
  EXPECT_GT(coverage(others), 0.85);
  EXPECT_LT(coverage(disorder), 0.2);
}

}  // namespace
}  // namespace vae_dist::evaluate
