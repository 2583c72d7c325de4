#include "kernels/fma_peak.hpp"

#include <gtest/gtest.h>

namespace vae_dist::kernels {
namespace {

// A loop that the compiler has folded would be far above the bound: no core reaches a
// tera-operation per second.
TEST(FmaPeak, IsThatOfACore) {
  constexpr double kMost = 1e12;
  for (const std::int64_t bytes : {16, 32, 64})
    for (const double peak : {fma_peak_fp32(bytes), fma_peak_fp64(bytes)}) {
      EXPECT_GT(peak, 0) << bytes;
      EXPECT_LT(peak, kMost) << bytes;
    }
}

}  // namespace
}  // namespace vae_dist::kernels
