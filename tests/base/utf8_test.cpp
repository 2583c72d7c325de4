#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

TEST(Utf8Text, LeavesUtf8AsItIs) {
  for (const char* words :
       {"", "plain \"quoted\" \\ back\n", "café", "日本", "🙂", "\u07ff\u0800\uffff"})
    EXPECT_EQ(utf8_text(words), words);
}

TEST(Utf8Text, EscapesEachByteThatBelongsToNoCharacter) {
  EXPECT_EQ(utf8_text("caf\xe9"), R"(caf\xe9)") << "Latin-1";
  EXPECT_EQ(utf8_text("\xe9t\xe9 é"), R"(\xe9t\xe9 é)");
  EXPECT_EQ(utf8_text("\xe2\x82"), R"(\xe2\x82)") << "cut off";
  EXPECT_EQ(utf8_text("\xe2\x28\xa1"), R"(\xe2(\xa1)");
  EXPECT_EQ(utf8_text("\xc0\xaf"), R"(\xc0\xaf)") << "overlong";
  EXPECT_EQ(utf8_text("\xed\xa0\x80"), R"(\xed\xa0\x80)") << "a surrogate";
  EXPECT_EQ(utf8_text("\xf4\x90\x80\x80\xff"), R"(\xf4\x90\x80\x80\xff)") << "above U+10FFFF";
}

TEST(Utf8Text, MakesDifferentNamesDifferentTexts) {
  EXPECT_NE(utf8_text("caf\xe8"), utf8_text("caf\xe9"));
}

}  // namespace
}  // namespace vae_dist::base
