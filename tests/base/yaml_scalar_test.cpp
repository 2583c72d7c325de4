#include "base/yaml_scalar.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace vae_dist::base {
namespace {

TEST(YamlScalar, ReadsTheWordsOfTheCoreSchemaAsTruthValues) {
  for (const char* text : {"true", "True", "TRUE"}) EXPECT_EQ(read_bool(text), true) << text;
  for (const char* text : {"false", "False", "FALSE"}) EXPECT_EQ(read_bool(text), false) << text;
  for (const char* text : {"", "yes", "no", "on", "tRUE", "1", " true"})
    EXPECT_EQ(read_bool(text), std::nullopt) << text;
}

TEST(YamlScalar, ReadsWholeNumbersOnly) {
  EXPECT_EQ(read_integer("64"), 64);
  EXPECT_EQ(read_integer("-3"), -3);
  EXPECT_EQ(read_integer("+3"), 3);
  EXPECT_EQ(read_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  for (const char* text :
       {"", "1e3", "64.0", "true", "9223372036854775808", "1_000", "0x10", "+-3", "6 4"}) {
    EXPECT_EQ(read_integer(text), std::nullopt) << text;
  }
}

TEST(YamlScalar, ReadsFiniteNumbersOnly) {
  EXPECT_EQ(read_number("1"), 1.0);
  EXPECT_EQ(read_number("1.0e-8"), 1e-8);
  EXPECT_EQ(read_number("-.5"), -0.5);
  for (const char* text : {"", "inf", ".inf", "nan", ".nan", "1e999", "one", "0.1.2"})
    EXPECT_EQ(read_number(text), std::nullopt) << text;
}

}  // namespace
}  // namespace vae_dist::base
