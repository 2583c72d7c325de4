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

}  // namespace
}  // namespace vae_dist::device
