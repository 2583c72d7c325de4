#include "config/scalar_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/yaml_scalar.hpp"

namespace vae_dist::config {
namespace {

TEST(ScalarText, WritesNumbersThatReadBackToTheSameBits) {
  EXPECT_EQ(number_text(1.0), "1");
  EXPECT_EQ(number_text(0.00025), "0.00025");
  EXPECT_EQ(number_text(1e-8), "1.0e-08");
  EXPECT_EQ(number_text(2.5e-300), "2.5e-300");
  for (const double value : {0.1, 1.0 / 3.0, std::nextafter(0.001, 1.0), -1e22, 5e-324,
                             std::numeric_limits<double>::max(), 0.1 + 0.2}) {
    EXPECT_EQ(base::read_number(number_text(value)), value) << number_text(value);
  }
}

TEST(ScalarText, QuotesWhatYamlWouldReadAsSomethingElse) {
  for (const char* plain : {"runs", "leaky_relu", "/data/a.h5", "../a-1.h5", "0.0.0.0", "fp32"})
    EXPECT_EQ(quoted_if_needed(plain), plain);
  for (const std::string text : {"", "64", "1.5", "null", "True", "yes", "~", "a: b", "a #b", "[a]",
                                 "-a", "2024-01-01", "1e5", "required", " a"}) {
    EXPECT_EQ(quoted_if_needed(text), "\"" + text + "\"");
  }
  EXPECT_EQ(quoted_if_needed("a\"b\\c\n"), "\"a\\\"b\\\\c\\x0a\"");
}

}  // namespace
}  // namespace vae_dist::config
