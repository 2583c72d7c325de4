#include "device/deferred_values.hpp"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

namespace vae_dist::device {
namespace {

TEST(DeferredValues, AreTheNumbersInDoublePrecision) {
  DeferredValues values(at::tensor({1.5F, -0.25F, 3.0F}));
  EXPECT_THAT(values.get(), testing::ElementsAre(1.5, -0.25, 3.0));
  EXPECT_THAT(values.get(), testing::ElementsAre(1.5, -0.25, 3.0))
      << "the values can be read twice";
}

TEST(DeferredRing, KeepsEachRowUntilItIsWrittenAgain) {
  DeferredRing ring(2, c10::kCPU);
  std::vector<DeferredValues> deferred;
  for (std::int64_t step = 0; step < DeferredRing::kRows; ++step) {
    ring.write(at::tensor({0.5F * static_cast<float>(step), -1.0F}),
               at::tensor({static_cast<double>(step)}));
    deferred.push_back(ring.written(step));
  }
  for (std::size_t step = 0; step < deferred.size(); ++step)
    EXPECT_THAT(deferred[step].get(), testing::ElementsAre(0.5 * static_cast<double>(step), -1.0));
  ring.write(at::tensor({7.0, 8.0}), at::tensor({3}));
  EXPECT_THAT(deferred[3].get(), testing::ElementsAre(7, 8));
  EXPECT_THAT(deferred[4].get(), testing::ElementsAre(2, -1));
}

}  // namespace
}  // namespace vae_dist::device
