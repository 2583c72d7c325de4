#include "evaluate/latent_walks.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "evaluate/model_pictures.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

bool nearly(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, 0, 1e-12); }

at::Tensor vector(std::initializer_list<double> values) {
  return at::tensor(std::vector<double>(values), at::kDouble);
}

TEST(LatentPath, HasTheBitsOfItsEndsAndIsStraightOrTurns) {
  const at::Tensor from = vector({0.1, 0.0}), to = vector({0.0, 0.3});
  for (const Path path : {Path::linear, Path::spherical}) {
    const at::Tensor points = latent_path(from, to, 3, path);
    EXPECT_TRUE(points[0].equal(from));
    EXPECT_TRUE(points[2].equal(to));
  }
  EXPECT_TRUE(nearly(latent_path(from, to, 3, Path::linear)[1], vector({0.05, 0.15})));
  // At a right angle both coefficients are sin(45 degrees).
  EXPECT_TRUE(
      nearly(latent_path(from, to, 3, Path::spherical)[1], vector({0.1, 0.3}) * std::sqrt(0.5)));
}

TEST(LatentPath, OnASphereStaysOnIt) {
  const at::Tensor from = vector({1, 2, 2}), to = vector({-2, 1, 2});
  const at::Tensor lengths = latent_path(from, to, 9, Path::spherical).norm(2, 1);
  EXPECT_TRUE(nearly(lengths, at::full_like(lengths, 3)));
}

TEST(LatentPath, BetweenParallelOrZeroVectorsIsStraight) {
  for (const auto& [from, to] : {std::pair{vector({1, 1}), vector({3, 3})},
                                 {vector({0, 0}), vector({2, 4})},
                                 {vector({1, -1}), vector({-1, 1})},
                                 {vector({1, 2}), vector({1, 2})}})
    EXPECT_TRUE(nearly(latent_path(from, to, 3, Path::spherical)[1], (from + to) / 2))
        << from << to;
}

class Walks : public StoredImages {
 protected:
  data::SampleDataset images() const {
    std::vector<std::uint8_t> bytes(40 * 64);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    return stored({40, 8, 8}, bytes);
  }
};

TEST_F(Walks, ChangeOneDimensionOfTheRowsCode) {
  const at::NoGradGuard no_grad;
  const auto model = small_model();
  const data::SampleDataset data = images();
  TraversalOptions options;
  options.row = 4;
  options.dimensions = 2;
  options.steps = 3;
  const Traversals walks = traverse(*model, data, format_of(data), options);
  EXPECT_TRUE(model->is_training()) << "the mode is the one before";
  EXPECT_THAT(walks.positions, ElementsAre(-3, 0, 3));
  EXPECT_THAT(walks.images.sizes(), ElementsAre(2, 3, 1, 8, 8));
  ASSERT_EQ(walks.dimensions.size(), 2u);
  EXPECT_GE(walks.weights[0], walks.weights[1]);

  model->eval();
  const at::Tensor code =
      model->encode(reconstruct(*model, data, 4, 1, format_of(data), Latent::mean, 0).originals).mu;
  for (int row = 0; row < 2; ++row) {
    at::Tensor z = code.repeat({3, 1});
    z.select(1, walks.dimensions[static_cast<std::size_t>(row)]).copy_(vector({-3, 0, 3}));
    EXPECT_TRUE(nearly(walks.images[row], model->decode(z).output));
  }
}

TEST_F(Walks, InQuantilesReachWhatDrawsOfThePosteriorReach) {
  const auto model = small_model();
  const data::SampleDataset data = images();
  TraversalOptions options;
  options.dimensions = 99;
  options.steps = 5;
  options.range.quantile = 0.1;
  const Traversals walks = traverse(*model, data, format_of(data), options);
  EXPECT_THAT(walks.positions,
              ElementsAre(DoubleNear(0.1, 1e-15), DoubleNear(0.3, 1e-15), DoubleNear(0.5, 1e-15),
                          DoubleNear(0.7, 1e-15), DoubleNear(0.9, 1e-15)));
  EXPECT_EQ(walks.dimensions.size(), 3u) << "there are no more";
  EXPECT_TRUE((walks.values.diff(1, 1) > 0).all().item<bool>());
  // An untrained posterior is about the prior, whose 0.1 quantile is -1.28.
  EXPECT_TRUE((walks.values.select(1, 0) < -0.7).all().item<bool>() &&
              (walks.values.select(1, 0) > -2).all().item<bool>())
      << walks.values;
}

}  // namespace
}  // namespace vae_dist::evaluate
