#include "datasets/npy_header.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

NpyHeader parse(const std::string& type, const std::string& shape,
                const std::string& order = "False") {
  return parse_npy_header("{'descr': '" + type + "', 'fortran_order': " + order +
                          ", 'shape': " + shape + ", }          \n");
}

TEST(NpyHeader, ReadsWhatNumpyWrites) {
  const NpyHeader header = parse("<f4", "(10, 28, 29)");
  EXPECT_EQ(header.type_name(), "float32");
  EXPECT_FALSE(header.big_endian || header.fortran_order);
  EXPECT_THAT(header.shape, ElementsAre(10, 28, 29));
  EXPECT_EQ(header.bytes(), 10 * 28 * 29 * 4);
  EXPECT_TRUE(parse(">i8", "(3,)", "True").big_endian);
  EXPECT_TRUE(parse(">i8", "(3,)", "True").fortran_order);
  EXPECT_EQ(parse("|b1", "(3, 4)").type_name(), "bool");
  EXPECT_THAT(parse("|u1", "()").shape, IsEmpty());
  EXPECT_EQ(parse("|u1", "()").values(), 1);
  EXPECT_EQ(parse("|u1", "(0, 9223372036854775807)").values(), 0);
}

TEST(NpyHeader, ReadsOtherSpellings) {
  EXPECT_THAT(parse("|u1", "(10L, 28L)").shape, ElementsAre(10, 28));  // Python 2
  const NpyHeader header =
      parse_npy_header("{\"shape\":(2,3),\n\"descr\":\"<u2\",\t\"fortran_order\":True}");
  EXPECT_THAT(header.shape, ElementsAre(2, 3));
  EXPECT_EQ(header.type_name(), "uint16");
}

TEST(NpyHeader, RefusesElementsThatAreNoNumbers) {
  for (const char* type : {"|O", "<U3", "|S1", "<c8", "<M8[ns]", "<m8", "|V4", "<f1", "<f3", "<f16",
                           "<b2", "<u3", "|u0", "u1", "f4", "", "<f", "<f44"})
    EXPECT_THROW(parse(type, "(1,)"), base::BadInput) << type;
}

TEST(NpyHeader, RefusesWhatIsNoHeader) {
  for (const char* shape : {"(", "(1", "(1,, 2)", "(-1,)", "(1.5,)", "(a)", "1", "(1 2)",
                            "(9223372036854775808,)", "(4294967296, 4294967296)", "[1]"})
    EXPECT_THROW(parse("<u8", shape), base::BadInput) << shape;
  for (const char* text : {"", "{", "{}", "{'descr'}", "{'descr': '<f4'}", "{'descr: '<f4'}",
                           "None", "{'a': 1}", "{'fortran_order': 1}"})
    EXPECT_THROW(parse_npy_header(text), base::BadInput) << text;
  std::string axes = "(";
  for (int i = 0; i < 33; ++i) axes += "1, ";
  EXPECT_THROW(parse("<f4", axes + ")"), base::BadInput);
}

}  // namespace
}  // namespace vae_dist::datasets
