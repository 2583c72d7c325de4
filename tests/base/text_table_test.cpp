#include "base/text_table.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

TEST(TextTable, HasItsValuesInOneColumn) {
  EXPECT_EQ(format_table({{"run", "a"}, {"global batch", "64"}}),
            "  run           a\n  global batch  64\n");
}

}  // namespace
}  // namespace vae_dist::base
