// One self-contained page: text, tables, charts, pictures, equations. It loads nothing from
// elsewhere (its Content-Security-Policy forbids the browser to). It follows the reader's light or
// dark setting and fits widths from 400 to 1280 pixels. Its only script moves the sliders over
// pictures; without the script, the newest picture shows and the others are in a list.
//
//   HtmlPage page("mnist", "step 500 of 500");
//   page.section("Learning");
//   page.paragraph("Loss and " + html_code("kld") + " of every logged step.");
//   page.figures({draw(loss), draw(kld)});
//   page.write("runs/mnist/report.html");
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plot/chart.hpp"
#include "plot/html.hpp"

namespace vae_dist::plot {

/// A number that the reader should see first.
struct Fact {
  std::string label, value, note;
};

struct Table {
  struct Row {
    std::vector<Html> cells;
    bool marked = false;  ///< highlighted: differs from the default, or is the best
  };
  std::vector<Html> header;
  std::vector<Row> rows;
  std::string caption = {};
  bool numbers = false;  ///< all columns except the first hold numbers, right-aligned
};

/// The bytes of a PNG file and a label for it: "step 500".
struct PagePicture {
  std::string label, png;
};

/// Pictures of one thing over time, oldest first; the last is shown. `note`: a sentence below.
struct PictureSlider {
  std::string title;
  std::vector<PagePicture> pictures;
  std::string note = {};
};

class HtmlPage {
 public:
  explicit HtmlPage(const std::string& title, const Html& subtitle = {});

  /// Begins a section and adds it to the table of contents.
  void section(const std::string& title);
  void subsection(const std::string& title);
  void paragraph(const Html& words);
  /// Adds a highlighted paragraph: the KL collapsed, steps were skipped.
  void warning(const Html& words);
  void list(const std::vector<Html>& items);
  void facts(const std::vector<Fact>& facts);
  void table(const Table& table);
  /// Adds charts, side by side as far as the width allows.
  void figures(const std::vector<Figure>& figures);
  /// Adds pictures with their labels, side by side as far as the width allows. Throws BadInput if
  /// the bytes are not a PNG.
  void pictures(const std::vector<PagePicture>& pictures);
  /// Adds series of pictures, side by side as far as the width allows. Each shows one picture at a
  /// time.
  void sliders(const std::vector<PictureSlider>& sliders);
  /// Adds a formula in the notation of math_ml.hpp, with words below, such as the function that
  /// computes it.
  void equation(const std::string& formula, const Html& words = {});
  /// Adds content that is folded because only some readers want it.
  void folded(const Html& summary, const Html& content);
  void add(const Html& block);

  /// Returns the whole document.
  std::string html() const;

  /// Writes the page by rename: a reader sees either the previous page or this one.
  void write(const std::filesystem::path& path) const;

 private:
  std::string title_;
  Html subtitle_, body_, contents_;
  int sections_ = 0;
};

/// Return single blocks, for other combinations: folded("All keys", html_table(keys)).
Html html_table(const Table& table);
Html html_figure(const Figure& figure);
Html html_picture(const PagePicture& picture);

}  // namespace vae_dist::plot
