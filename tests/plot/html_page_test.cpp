#include "plot/html_page.hpp"

#include <gmock/gmock.h>

#include "../temporary_folder.hpp"
#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Just enough of a PNG for a page: signature and header, 3 wide and 2 high.
const std::string kPng("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\x08\0\0\0\0", 29);

PagePicture picture(const std::string& label) { return {label, kPng}; }

TEST(HtmlPage, IsADocumentOfItsOwn) {
  HtmlPage page("run <1>", "step 500");
  page.section("Learning");
  page.paragraph("Loss.");
  const std::string html = page.html();
  EXPECT_TRUE(
      html.starts_with("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"));
  EXPECT_THAT(html, HasSubstr("<title>run &lt;1&gt;</title>"));
  EXPECT_THAT(html, HasSubstr("<h1>run &lt;1&gt;</h1><p class=\"subtitle\">step 500</p>"));
  EXPECT_THAT(html,
              HasSubstr("<main><h2 id=\"s1\">Learning</h2><p>Loss.</p></main></body></html>\n"));
  EXPECT_THAT(html, HasSubstr("width=device-width"));
}

TEST(HtmlPage, LoadsNothingAndSaysSoToTheBrowser) {
  HtmlPage page("run");
  page.sliders({{"Samples", {picture("step 1"), picture("step 2")}}});
  const std::string html = page.html();
  EXPECT_THAT(html, HasSubstr("default-src &#39;none&#39;; img-src data:;"));
  EXPECT_THAT(html, Not(HasSubstr("http:")));
  EXPECT_THAT(html, Not(HasSubstr("https:")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
}

TEST(HtmlPage, FollowsTheReadersChoiceOfLightOrDark) {
  EXPECT_THAT(HtmlPage("run").html(), HasSubstr("@media (prefers-color-scheme: dark)"));
}

TEST(HtmlPage, ListsItsSectionsWhereThereAreMoreThanTwo) {
  HtmlPage page("run");
  page.section("A");
  page.section("B");
  EXPECT_THAT(page.html(), Not(HasSubstr("<nav")));
  page.section("C & D");
  EXPECT_THAT(page.html(), HasSubstr("<li><a href=\"#s3\">C &amp; D</a></li>"));
  EXPECT_THAT(page.html(), HasSubstr("<h2 id=\"s3\">C &amp; D</h2>"));
}

TEST(HtmlPage, EscapesAllWords) {
  const std::string evil = "</style><img src=x onerror=alert(1)>";
  HtmlPage page(evil, evil);
  page.section(evil);
  page.subsection(evil);
  page.paragraph(evil);
  page.warning(evil);
  page.list({evil});
  page.facts({{evil, evil, evil}});
  page.table({.header = {evil}, .rows = {{{evil}}}, .caption = evil});
  page.figures({Figure{evil, evil, {}, {{evil, 0, LegendMark::line}}}});
  page.pictures({picture(evil)});
  page.sliders({{evil, {picture(evil), picture(evil)}, evil}});
  page.folded(evil, evil);
  page.equation("x", evil);
  const std::string html = page.html();
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_EQ(html.find("</style>"), html.rfind("</style>"));
}

TEST(HtmlPage, ShowsTheNewestPictureAndKeepsTheOthersInAListWithoutTheScript) {
  HtmlPage page("run");
  page.sliders(
      {{"Samples", {picture("step 1"), picture("step 2"), picture("step 3")}, "two more"}});
  const std::string html = page.html();
  const std::string image =
      "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAA=\" alt=\"";
  EXPECT_THAT(
      html,
      HasSubstr("<div class=\"slider\"><h3>Samples</h3><figure class=\"picture\">" + image +
                "step 3\" width=\"3\" height=\"2\"><figcaption>step 3</figcaption></figure>"));
  EXPECT_THAT(html, HasSubstr("max=\"2\" step=\"1\" value=\"2\" aria-label=\"Samples\" "
                              "aria-valuetext=\"step 3\" hidden=\"\">"));
  EXPECT_THAT(html,
              HasSubstr("<details><summary>2 earlier pictures</summary><figure class=\"picture\">" +
                        image + "step 1\""));
  EXPECT_THAT(html, HasSubstr("<script>"));
}

TEST(HtmlPage, HasNoScriptWithoutASlider) {
  HtmlPage page("run");
  page.pictures({picture("step 1")});
  page.sliders({{"Samples", {picture("step 1")}}, {"None", {}}});
  EXPECT_THAT(page.html(), Not(HasSubstr("<script")));
  EXPECT_THAT(page.html(), Not(HasSubstr("<details")));
  EXPECT_THAT(page.html(), Not(HasSubstr("None")));
}

TEST(HtmlPage, RefusesPicturesThatAreNone) {
  HtmlPage page("run");
  try {
    page.pictures({{"step 1", "GIF89a"}});
    FAIL();
  } catch (const base::BadInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("the picture \"step 1\" is not a PNG file"));
  }
}

TEST(HtmlPage, MarksRowsOfTables) {
  const std::string source =
      html_table(
          {.header = {"key", "value"}, .rows = {{{"a", "1"}}, {{"b", "2"}, true}}, .numbers = true})
          .source();
  EXPECT_THAT(source, HasSubstr("<table class=\"numbers\"><thead><tr><th scope=\"col\">key</th><th "
                                "scope=\"col\">value</th></tr></thead>"));
  EXPECT_THAT(source, HasSubstr("<tbody><tr><td>a</td><td>1</td></tr><tr "
                                "class=\"marked\"><td>b</td><td>2</td></tr></tbody>"));
}

TEST(HtmlPage, SetsTheLegendBesideTheDrawing) {
  const std::string source =
      html_figure(
          {"Loss", "a note", Html::trusted("<svg></svg>"), {{"training", 2, LegendMark::dashed}}})
          .source();
  EXPECT_EQ(source,
            "<figure class=\"plot\"><figcaption>Loss</figcaption><ul class=\"legend\"><li><span "
            "class=\"key key-dashed c2\"></span>training</li></ul><svg></svg><p class=\"note\">a "
            "note</p></figure>");
}

using HtmlPageFile = TemporaryFolderTest;

TEST_F(HtmlPageFile, IsReplacedAsAWhole) {
  HtmlPage("first").write(path("report.html"));
  HtmlPage("second").write(path("report.html"));
  EXPECT_EQ(bytes_of(path("report.html")), HtmlPage("second").html());
  EXPECT_EQ(files().size(), 1u);
  EXPECT_THROW(HtmlPage("x").write(path("no/report.html")), base::Failure);
}

}  // namespace
}  // namespace vae_dist::plot
