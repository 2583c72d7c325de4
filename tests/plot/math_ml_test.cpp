#include "plot/math_ml.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::HasSubstr;

// Returns the formula without the enclosing element.
std::string row(const std::string& formula) {
  const std::string source = math_ml(formula).source(), head = "<math display=\"block\"><mrow>",
                    foot = "</mrow></math>";
  EXPECT_TRUE(source.starts_with(head) && source.ends_with(foot)) << source;
  return source.substr(head.size(), source.size() - head.size() - foot.size());
}

TEST(MathMl, TellsVariablesNumbersAndOperatorsApart) {
  EXPECT_EQ(row("z = 0.5x - 1"), "<mi>z</mi><mo>=</mo><mn>0.5</mn><mi>x</mi><mo>−</mo><mn>1</mn>");
  EXPECT_EQ(row("\\mu \\le \\sigma"), "<mi>μ</mi><mo>≤</mo><mi>σ</mi>");
  EXPECT_EQ(row("a < b"), "<mi>a</mi><mo>&lt;</mo><mi>b</mi>");
}

TEST(MathMl, SetsScriptsBelowAndAbove) {
  EXPECT_EQ(row("x_i"), "<msub><mi>x</mi><mi>i</mi></msub>");
  EXPECT_EQ(row("\\sigma^2"), "<msup><mi>σ</mi><mn>2</mn></msup>");
  EXPECT_EQ(row("x^2_{ij}"),
            "<msubsup><mi>x</mi><mrow><mi>i</mi><mi>j</mi></mrow><mn>2</mn></msubsup>");
  EXPECT_THAT(row("\\sum_{k}^K x"), HasSubstr("<munderover><mo largeop=\"true\" "
                                              "movablelimits=\"false\">∑</mo><mrow><mi>k</mi></"
                                              "mrow><mi>K</mi></munderover><mi>x</mi>"));
  EXPECT_EQ(row("\\log_2 x"),
            "<msub><mi>log</mi><mn>2</mn></msub><mspace width=\"0.17em\"/><mi>x</mi>");
  EXPECT_EQ(row("\\exp(x)"),
            "<mi>exp</mi><mo stretchy=\"false\">(</mo><mi>x</mi><mo stretchy=\"false\">)</mo>");
}

TEST(MathMl, BuildsFractionsRootsAccentsAndWords) {
  EXPECT_EQ(row("\\frac{1}{2}"), "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>");
  EXPECT_EQ(row("\\sqrt{x}"), "<msqrt><mrow><mi>x</mi></mrow></msqrt>");
  EXPECT_EQ(row("\\hat{x}"), "<mover accent=\"true\"><mrow><mi>x</mi></mrow><mo>^</mo></mover>");
  EXPECT_EQ(row("\\text{of x < y}"), "<mtext>of x &lt; y</mtext>");
  EXPECT_EQ(row("\\mathcal{N}\\mathbb{E}\\mathrm{KL}"),
            "<mi>𝒩</mi><mi>𝔼</mi><mi mathvariant=\"normal\">KL</mi>");
}

TEST(MathMl, WritesTheBound) {
  EXPECT_NO_THROW(
      math_ml("\\log p(x) \\ge \\mathbb{E}_{q_\\phi(z|x)}[\\log p_\\theta(x|z)] - "
              "\\mathrm{KL}(q_\\phi(z|x) \\| p(z))"));
  EXPECT_NO_THROW(
      math_ml("\\mathrm{KL} = -\\frac{1}{2} \\sum_{d=1}^{D} (1 + \\log \\sigma_d^2 - \\mu_d^2 - "
              "\\sigma_d^2)"));
}

TEST(MathMl, RefusesWhatItDoesNotKnow) {
  const auto complaint = [](const char* formula) -> std::string {
    try {
      math_ml(formula);
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint("a + \\frob"), "formula \"a + \\frob\": there is no command \\frob");
  EXPECT_THAT(complaint("{a"), HasSubstr("unmatched {"));
  EXPECT_THAT(complaint("a}"), HasSubstr("unmatched }"));
  EXPECT_THAT(complaint("a_"), HasSubstr("ends where a symbol is expected"));
  EXPECT_THAT(complaint("a_1_2"), HasSubstr("two scripts"));
  EXPECT_THAT(complaint("\\frac{1}"), HasSubstr("without its {argument}"));
  EXPECT_THAT(complaint("\\mathcal{Q}"), HasSubstr("does not contain the letter"));
  EXPECT_THAT(complaint("β"), HasSubstr("not ASCII"));
}

}  // namespace
}  // namespace vae_dist::plot
