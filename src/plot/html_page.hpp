// One self-contained page: words, tables, charts, pictures, equations. Nothing is loaded from
// anywhere (the page forbids it to the browser by its Content-Security-Policy); light and dark
// follow the reader's system; it is read at 400 pixels as at 1280. The one script moves the sliders
// over pictures; without it their newest picture shows, the others are in a list.
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

/// A number that is to be seen first.
struct Fact {
  std::string label, value, note;
};

struct Table {
  struct Row {
    std::vector<Html> cells;
    bool marked = false;  ///< stands out: differs from the default, is the best
  };
  std::vector<Html> header;
  std::vector<Row> rows;
  std::string caption = {};
  bool numbers = false;  ///< all columns but the first are numbers: right-aligned
};

/// A PNG file's bytes and what it shows: "step 500".
struct PagePicture {
  std::string label, png;
};

/// Pictures of one thing over time, oldest first: the last shows. `note`: a sentence below.
struct PictureSlider {
  std::string title;
  std::vector<PagePicture> pictures;
  std::string note = {};
};

class HtmlPage {
 public:
  explicit HtmlPage(const std::string& title, const Html& subtitle = {});

  /// Begins a section, which the list of contents names.
  void section(const std::string& title);
  void subsection(const std::string& title);
  void paragraph(const Html& words);
  /// A paragraph that must be seen: the KL collapsed, steps were skipped.
  void warning(const Html& words);
  void list(const std::vector<Html>& items);
  void facts(const std::vector<Fact>& facts);
  void table(const Table& table);
  /// Charts side by side as the width allows.
  void figures(const std::vector<Figure>& figures);
  /// Pictures side by side as the width allows, each with its label. Throws BadInput for bytes that
  /// are no PNG.
  void pictures(const std::vector<PagePicture>& pictures);
  /// Series of pictures side by side as the width allows, of each one picture at a time.
  void sliders(const std::vector<PictureSlider>& sliders);
  /// A formula in the notation of math_ml.hpp, with words below: which function of ours computes
  /// it.
  void equation(const std::string& formula, const Html& words = {});
  /// What only some readers want to see.
  void folded(const Html& summary, const Html& content);
  void add(const Html& block);

  /// The whole document.
  std::string html() const;

  /// By rename: a reader sees the page of before or this one.
  void write(const std::filesystem::path& path) const;

 private:
  std::string title_;
  Html subtitle_, body_, contents_;
  int sections_ = 0;
};

/// The blocks themselves, for what is put together otherwise: folded("All keys", html_table(keys)).
Html html_table(const Table& table);
Html html_figure(const Figure& figure);
Html html_picture(const PagePicture& picture);

}  // namespace vae_dist::plot
