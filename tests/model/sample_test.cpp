#include "model/sample.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vae_dist::model {
namespace {

TEST(Sample, IsCutWithAllThatBelongsToIt) {
  const Sample batch(at::arange(24).view({6, 1, 2, 2}), at::arange(12).view({6, 2}));
  const Sample part = batch.narrow(2, 3);
  EXPECT_EQ(part.size(), 3);
  EXPECT_TRUE(part.x.equal(batch.x.narrow(0, 2, 3)));
  EXPECT_TRUE(part.noise.equal(batch.noise.narrow(0, 2, 3)));

  const std::vector<Sample> replicas = batch.chunk(3);
  ASSERT_EQ(replicas.size(), 3U);
  EXPECT_TRUE(replicas[1].x.equal(batch.x.narrow(0, 2, 2)));
  EXPECT_TRUE(replicas[2].noise.equal(batch.noise.narrow(0, 4, 2)));
}

TEST(Sample, LeavesOutWhatABatchHasNoneOf) {
  const Sample batch = at::zeros({4, 1, 2, 2});
  EXPECT_FALSE(batch.each([](const at::Tensor& field) { return field + 1; }).noise.defined());
  EXPECT_EQ(batch.each([](const at::Tensor& field) { return field + 1; }).x.sum().item<double>(),
            16);
  EXPECT_EQ(batch.x.sum().item<double>(), 0) << "the original is unchanged";
}

}  // namespace
}  // namespace vae_dist::model
