#include "base/digits.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

TEST(FormatBytes, HasThreeDigitsAndAUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1 kB");
  EXPECT_EQ(format_bytes(45.21e6), "45.2 MB");
  EXPECT_EQ(format_bytes(2.5e9), "2.5 GB");
  EXPECT_EQ(format_bytes(999.7e6), "1 GB") << "not 1e+03 MB";
}

}  // namespace
}  // namespace vae_dist::base
