#include "plot/html.hpp"

#include <gtest/gtest.h>

namespace vae_dist::plot {
namespace {

TEST(Html, NeverTakesAStringForMarkup) {
  EXPECT_EQ(Html("<script>alert(\"1\" & '2')</script>").source(),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
  EXPECT_EQ((std::string("a<b ") + html_element("b", "c<d") + "&").source(),
            "a&lt;b <b>c&lt;d</b>&amp;");
  EXPECT_EQ(html_element("a", {{"href", "\" onclick=\"evil()"}}, "x").source(),
            "<a href=\"&quot; onclick=&quot;evil()\">x</a>");
}

TEST(Html, KeepsTextOfAllLanguagesAndEscapesWhatIsNone) {
  EXPECT_EQ(html_escaped("β ≥ 0.5, 日本, 🙂\n"), "β ≥ 0.5, 日本, 🙂\n");
  EXPECT_EQ(html_escaped(std::string_view("a\0b\x1b[0m\x7f", 8)), "a\uFFFDb\uFFFD[0m\uFFFD");
  EXPECT_EQ(html_escaped("\xff\xc3"), R"(\xff\xc3)") << "not UTF-8, and half a character";
  EXPECT_EQ(html_escaped("\xc0\xbc"), R"(\xc0\xbc)") << "an overlong <";
  EXPECT_EQ(html_escaped("\xed\xa0\x80"), R"(\xed\xa0\x80)") << "a surrogate";
}

TEST(Html, LetsNamesBreakBetweenTheirPartsAndNumbersNot) {
  EXPECT_EQ(html_code("train.global_batch").source(), "<code>train.<wbr>global_<wbr>batch</code>");
  EXPECT_EQ(html_code("[0.5, 1]").source(), "<code>[0.5, 1]</code>");
}

TEST(DataUri, IsBase64) {
  EXPECT_EQ(data_uri("image/png", ""), "data:image/png;base64,");
  EXPECT_EQ(data_uri("text/plain", "M"), "data:text/plain;base64,TQ==");
  EXPECT_EQ(data_uri("text/plain", "Ma"), "data:text/plain;base64,TWE=");
  EXPECT_EQ(data_uri("text/plain", "Man"), "data:text/plain;base64,TWFu");
  EXPECT_EQ(data_uri("x", std::string_view("\xff\x00\xfe\xfb", 4)), "data:x;base64,/wD++w==");
}

}  // namespace
}  // namespace vae_dist::plot
