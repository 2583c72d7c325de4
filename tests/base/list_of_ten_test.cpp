#include "base/list_of_ten.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

std::vector<std::string> numbers(int count) {
  std::vector<std::string> out;
  for (int i = 1; i <= count; ++i) out.push_back(std::to_string(i));
  return out;
}

TEST(ListOfTen, NamesTenAndCountsTheOthers) {
  EXPECT_EQ(list_of_ten({}), "");
  EXPECT_EQ(list_of_ten(numbers(1)), "1");
  EXPECT_EQ(list_of_ten(numbers(10)), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
  EXPECT_EQ(list_of_ten(numbers(11)), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 1 more");
  EXPECT_EQ(list_of_ten(numbers(20000)), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 19990 more");
  EXPECT_EQ(list_of_ten(numbers(12), "\n  "),
            "1\n  2\n  3\n  4\n  5\n  6\n  7\n  8\n  9\n  10\n  and 2 more");
}

}  // namespace
}  // namespace vae_dist::base
