#include "plot/html_page.hpp"

#include <cstdint>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "plot/math_ml.hpp"
#include "plot/page_style.hpp"

namespace vae_dist::plot {
namespace {

struct PngSize {
  std::uint32_t width, height;
};

// Reads the size from the header chunk, which comes first. A page that states the sizes of its
// pictures does not jump while it loads.
PngSize png_size(const PagePicture& picture) {
  constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  if (picture.png.size() < 24 || !picture.png.starts_with(kSignature))
    throw base::BadInput(base::text("the picture \"", picture.label, "\" is not a PNG file"));
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<std::uint8_t>(picture.png[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

std::string mark_class(LegendMark mark) {
  switch (mark) {
    case LegendMark::line:
      return "key";
    case LegendMark::dashed:
      return "key key-dashed";
    case LegendMark::dot:
      return "key key-dot";
    case LegendMark::area:
      return "key key-area";
    case LegendMark::ring:
      return "key key-ring";
  }
  return "key";
}

Html legend_of(const std::vector<LegendEntry>& entries) {
  Html items;
  for (const LegendEntry& entry : entries) {
    const Html mark = html_element(
        "span", {{"class", mark_class(entry.mark) + " c" + std::to_string(entry.colour)}}, {});
    items += html_element("li", mark + entry.name);
  }
  return html_element("ul", {{"class", "legend"}}, items);
}

Html image(const PagePicture& picture) {
  const PngSize size = png_size(picture);
  return html_void_element("img", {{"src", data_uri("image/png", picture.png)},
                                   {"alt", picture.label},
                                   {"width", std::to_string(size.width)},
                                   {"height", std::to_string(size.height)}});
}

Html slider_of(const PictureSlider& slider) {
  const std::vector<PagePicture>& pictures = slider.pictures;
  const std::string newest = std::to_string(pictures.size() - 1);
  Html content = html_element("h3", slider.title) + html_picture(pictures.back());
  if (pictures.size() > 1) {
    Html earlier;
    for (std::size_t i = 0; i + 1 < pictures.size(); ++i) earlier += html_picture(pictures[i]);
    // The script shows the slider and hides the list, so only one of the two is visible.
    content += html_void_element("input", {{"type", "range"},
                                           {"min", "0"},
                                           {"max", newest},
                                           {"step", "1"},
                                           {"value", newest},
                                           {"aria-label", slider.title},
                                           {"aria-valuetext", pictures.back().label},
                                           {"hidden", ""}});
    content += html_element(
        "details", html_element("summary", base::text(pictures.size() - 1,
                                                      pictures.size() == 2 ? " earlier picture"
                                                                           : " earlier pictures")) +
                       earlier);
  }
  if (!slider.note.empty()) content += html_element("p", {{"class", "note"}}, slider.note);
  return html_element("div", {{"class", "slider"}}, content);
}

}  // namespace

Html html_table(const Table& table) {
  const auto row_of = [](const std::string& cell, const std::vector<Html>& cells, bool marked) {
    Html row;
    for (const Html& content : cells)
      row += html_element(cell, cell == "th" ? HtmlAttributes{{"scope", "col"}} : HtmlAttributes{},
                          content);
    return html_element("tr", marked ? HtmlAttributes{{"class", "marked"}} : HtmlAttributes{}, row);
  };
  Html content;
  if (!table.caption.empty()) content += html_element("caption", table.caption);
  if (!table.header.empty()) content += html_element("thead", row_of("th", table.header, false));
  Html rows;
  for (const Table::Row& row : table.rows) rows += row_of("td", row.cells, row.marked);
  content += html_element("tbody", rows);
  // A wide table scrolls in its own box, which is reachable by keyboard.
  return html_element(
      "div", {{"class", "wide"}, {"tabindex", "0"}},
      html_element("table", table.numbers ? HtmlAttributes{{"class", "numbers"}} : HtmlAttributes{},
                   content));
}

Html html_figure(const Figure& figure) {
  Html content = html_element("figcaption", figure.title);
  if (!figure.legend.empty()) content += legend_of(figure.legend);
  content += figure.drawing;
  if (!figure.caption.empty()) content += html_element("p", {{"class", "note"}}, figure.caption);
  return html_element("figure", {{"class", "plot"}}, content);
}

Html html_picture(const PagePicture& picture) {
  return html_element("figure", {{"class", "picture"}},
                      image(picture) + html_element("figcaption", picture.label));
}

HtmlPage::HtmlPage(const std::string& title, const Html& subtitle)
    : title_(title), subtitle_(subtitle) {}

void HtmlPage::section(const std::string& title) {
  const std::string name = "s" + std::to_string(++sections_);
  body_ += html_element("h2", {{"id", name}}, title);
  contents_ += html_element("li", html_element("a", {{"href", "#" + name}}, title));
}

void HtmlPage::subsection(const std::string& title) { body_ += html_element("h3", title); }

void HtmlPage::paragraph(const Html& words) { body_ += html_element("p", words); }

void HtmlPage::warning(const Html& words) {
  body_ += html_element("p", {{"class", "warning"}, {"role", "note"}}, words);
}

void HtmlPage::list(const std::vector<Html>& items) {
  Html content;
  for (const Html& item : items) content += html_element("li", item);
  body_ += html_element("ul", content);
}

void HtmlPage::facts(const std::vector<Fact>& facts) {
  Html content;
  for (const Fact& fact : facts) {
    Html value = html_element("dd", {{"class", "value"}}, fact.value);
    if (!fact.note.empty()) value += html_element("dd", {{"class", "note"}}, fact.note);
    content += html_element("div", html_element("dt", fact.label) + value);
  }
  body_ += html_element("dl", {{"class", "facts"}}, content);
}

void HtmlPage::table(const Table& table) { body_ += html_table(table); }

void HtmlPage::figures(const std::vector<Figure>& figures) {
  Html content;
  for (const Figure& figure : figures) content += html_figure(figure);
  body_ += html_element("div", {{"class", "side-by-side"}}, content);
}

void HtmlPage::pictures(const std::vector<PagePicture>& pictures) {
  Html content;
  for (const PagePicture& picture : pictures) content += html_picture(picture);
  body_ += html_element("div", {{"class", "side-by-side"}}, content);
}

void HtmlPage::sliders(const std::vector<PictureSlider>& sliders) {
  Html content;
  for (const PictureSlider& slider : sliders)
    if (!slider.pictures.empty()) content += slider_of(slider);
  body_ += html_element("div", {{"class", "side-by-side"}}, content);
}

void HtmlPage::equation(const std::string& formula, const Html& words) {
  Html content = math_ml(formula);
  if (!words.empty()) content += html_element("figcaption", words);
  body_ += html_element("figure", {{"class", "equation"}, {"tabindex", "0"}}, content);
}

void HtmlPage::folded(const Html& summary, const Html& content) {
  body_ += html_element("details", html_element("summary", summary) + content);
}

void HtmlPage::add(const Html& block) { body_ += block; }

std::string HtmlPage::html() const {
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  out += html_void_element("meta", {{"http-equiv", "Content-Security-Policy"},
                                    {"content", std::string(kPagePolicy)}})
             .source();
  out +=
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta "
      "name=\"color-scheme\" content=\"light dark\">";
  // An empty icon keeps the browser from requesting favicon.ico.
  out += "<link rel=\"icon\" href=\"data:,\">";
  out += html_element("title", title_).source() + "<style>" + std::string(kPageStyle) +
         "</style></head>\n<body>";
  Html header = html_element("h1", title_);
  if (!subtitle_.empty()) header += html_element("p", {{"class", "subtitle"}}, subtitle_);
  // Two sections need no table of contents.
  if (sections_ > 2)
    header += html_element("nav", {{"aria-label", "Contents"}}, html_element("ul", contents_));
  out += html_element("header", header).source() + "\n" + html_element("main", body_).source();
  if (body_.source().find("<input type=\"range\"") != std::string::npos)
    out += "\n<script>" + std::string(kSliderScript) + "</script>";
  return out + "</body></html>\n";
}

void HtmlPage::write(const std::filesystem::path& path) const { base::replace_file(path, html()); }

}  // namespace vae_dist::plot
