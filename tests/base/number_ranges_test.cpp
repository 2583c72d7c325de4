#include "base/number_ranges.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

TEST(NumberRanges, AreReadAsTheKernelWritesThem) {
  EXPECT_EQ(parse_ranges("0-3,8,10-11\n"), (std::vector<int>{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_ranges("\t0-1"), (std::vector<int>{0, 1}));
  EXPECT_EQ(parse_ranges("-1\n"), (std::vector<int>{-1})) << "the kernel's value for no NUMA node";
  EXPECT_EQ(parse_ranges("\n"), std::vector<int>{});
}

TEST(NumberRanges, AreWrittenShortly) {
  EXPECT_EQ(ranges_text({0, 1, 2, 3, 8, 10, 11}), "0-3, 8, 10-11");
  EXPECT_EQ(ranges_text({5}), "5");
  EXPECT_EQ(ranges_text({}), "");
  EXPECT_EQ(ranks_text({2}), "rank 2");
  EXPECT_EQ(ranks_text({0, 1, 2}), "ranks 0-2");
}

}  // namespace
}  // namespace vae_dist::base
