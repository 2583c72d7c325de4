#include "base/hash.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

// XXH3_64bits of the empty input, as in xxHash's own sanity test. Checkpoints store these hashes.
TEST(Hash, IsXxh3) { EXPECT_EQ(hash_text(""), 0x2d06800538d394c2ULL); }

TEST(Hash, DiffersByEveryByteTheLengthAndTheSeed) {
  const std::uint64_t hash = hash_text("0123456789");
  EXPECT_EQ(hash_text("0123456789"), hash);
  EXPECT_NE(hash_text("0123456788"), hash);
  EXPECT_NE(hash_text("012345678"), hash);
  EXPECT_NE(hash_text("0123456789", 1), hash);
  EXPECT_NE(hash_text(std::string_view("0123456789\0", 11)), hash);
}

TEST(HashName, HasSixteenDigitsAlways) {
  EXPECT_EQ(hash_name(0), "0000000000000000");
  EXPECT_EQ(hash_name(0xfedcba9876543210ULL), "fedcba9876543210");
}

}  // namespace
}  // namespace vae_dist::base
