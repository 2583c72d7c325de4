#include "plot/panel_sheet.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "plot/canvas.hpp"

namespace vae_dist::plot {
namespace {

constexpr int kEdge = 16, kBetweenPanels = 4, kBetweenGroups = 14, kBetweenRows = 10,
              kBesideLabel = 8;
constexpr int kBarWidth = 180, kBarHeight = 10, kBetweenBars = 28, kBarRoom = 44;
constexpr int kTickLength = 3, kTickRoom = 16;
constexpr int kLargestSide = 16000;
constexpr Font kTitle{16, true}, kText{12}, kHeading{12, true}, kSmall{10};
constexpr double kDark = 0.10, kLabelInk = 0.35, kLineInk = 0.75;
constexpr Rgb kBarColour{70, 100, 170};

int panel_width(const Panel& panel) {
  return panel.picture.pixels.empty() ? panel.width : panel.magnification * panel.picture.width;
}

int panel_height(const Panel& panel) {
  return panel.picture.pixels.empty() ? panel.height : panel.magnification * panel.picture.height;
}

void set_colour(cairo_t* context, Rgb colour) {
  cairo_set_source_rgb(context, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
}

void set_ink(cairo_t* context, double ink) { cairo_set_source_rgb(context, ink, ink, ink); }

std::vector<Tick> labelled(std::vector<Tick> ticks) {
  std::erase_if(ticks, [](const Tick& tick) { return tick.label.empty(); });
  return ticks;
}

// Returns at least two labels if round values allow it: one alone gives no scale.
std::vector<Tick> y_ticks(const Panel& panel) {
  std::vector<Tick> out;
  const int usual = std::max(2, panel.height / 30);
  for (int wanted = usual; wanted <= usual + 3 && out.size() < 2; ++wanted)
    out = labelled(ticks(panel.y, panel.logarithmic_y, wanted));
  return out;
}

// Returns as many ticks as fit beside each other along `width` pixels.
std::vector<Tick> fitting_ticks(cairo_t* context, Range range, int width) {
  std::vector<Tick> out;
  for (int wanted = 5; wanted > 0; --wanted) {
    out = labelled(ticks(range, false, wanted));
    double words = 0;
    for (const Tick& tick : out) words += width_of(context, tick.label, kSmall) + 14;
    if (words <= width) break;
  }
  return out;
}

// Writes ticks and their labels below a line from (left, y) to (left + width, y). Labels stay
// between `left` - slack and `left` + width + slack.
void draw_ticks_below(cairo_t* context, Range range, int left, int width, int y, double slack) {
  const Scale scale(range, false, left, left + width);
  double free_from = left - slack;
  for (const Tick& tick : fitting_ticks(context, range, width)) {
    const double x = scale(tick.value), words = width_of(context, tick.label, kSmall);
    set_ink(context, kLabelInk);
    cairo_rectangle(context, std::round(x), y, 1, kTickLength);
    cairo_fill(context);
    const double start = std::clamp(x - words / 2, left - slack, left + width + slack - words);
    if (start < free_from) continue;
    write_text(context, tick.label, kSmall, start, y + kTickLength + 10, 0, kLabelInk);
    free_from = start + words + 4;
  }
}

// Where the parts of a section lie, from its own top left corner.
struct Placed {
  int rows = 0;
  std::vector<int> column_lefts, column_widths, row_tops, row_heights;
  int group_baseline = 0, column_baseline = 0, heading_baseline = 0;
  int labels_right = 0, bars_top = 0, bars_across = 1, width = 0, height = 0;
};

const Panel* panel_at(const PanelSection& section, int row, int column) {
  const auto i = static_cast<std::size_t>(row) * section.columns + column;
  return i < section.panels.size() ? &section.panels[i] : nullptr;
}

// The first column of each group, and the number of columns behind the last.
std::vector<int> group_begins(const PanelSection& section) {
  std::vector<int> out = {0};
  for (const ColumnGroup& group : section.groups) out.push_back(out.back() + group.columns);
  return out;
}

void place_columns(cairo_t* context, const PanelSection& section, Placed& at) {
  const std::vector<int> begins = group_begins(section);
  int x = 0;
  if (const double labels = widest_of(context, section.row_labels, kText); labels > 0) {
    at.labels_right = static_cast<int>(std::ceil(labels));
    x = at.labels_right + kBesideLabel;
  }
  for (int column = 0; column < section.columns; ++column) {
    int widest = 0;
    double labels = 0;
    for (int row = 0; row < at.rows; ++row) {
      const Panel* panel = panel_at(section, row, column);
      if (!panel) continue;
      widest = std::max(widest, panel_width(*panel));
      if (!panel->y_ticks) continue;
      for (const Tick& tick : y_ticks(*panel))
        labels = std::max(labels, width_of(context, tick.label, kSmall) + kTickLength + 3);
    }
    if (column > 0)
      x += std::find(begins.begin(), begins.end(), column) != begins.end() ? kBetweenGroups
                                                                           : kBetweenPanels;
    x += static_cast<int>(std::ceil(labels));
    at.column_lefts.push_back(x);
    at.column_widths.push_back(widest);
    x += widest;
  }
  at.width = x;
}

void place_rows(const PanelSection& section, Placed& at, int y) {
  for (int row = 0; row < at.rows; ++row) {
    int highest = 0;
    bool has_ticks = false;
    for (int column = 0; column < section.columns; ++column)
      if (const Panel* panel = panel_at(section, row, column)) {
        highest = std::max(highest, panel_height(*panel));
        has_ticks = has_ticks || panel->x_ticks;
      }
    if (row > 0) y += row % section.rows_together == 0 ? kBetweenRows : kBetweenPanels;
    at.row_tops.push_back(y);
    at.row_heights.push_back(highest);
    y += highest + (has_ticks ? kTickRoom : 0);
  }
  at.height = y;
}

Placed place(cairo_t* context, const PanelSection& section) {
  Placed at;
  at.rows = static_cast<int>((section.panels.size() + section.columns - 1) / section.columns);
  place_columns(context, section, at);
  int y = 0;
  if (!section.heading.empty()) {
    at.heading_baseline = y += 12;
    y += 8;
    at.width = std::max(at.width,
                        static_cast<int>(std::ceil(width_of(context, section.heading, kHeading))));
  }
  const auto named = [](const auto& labels) {
    return std::any_of(labels.begin(), labels.end(), [](const auto& l) { return !l.empty(); });
  };
  std::vector<std::string> groups;
  for (const ColumnGroup& group : section.groups) groups.push_back(group.label);
  if (named(groups)) {
    at.group_baseline = y += 12;
    y += 6;
  }
  if (named(section.column_labels)) {
    at.column_baseline = y += 10;
    y += 5;
  }
  place_rows(section, at, y);
  if (section.bars.empty()) return at;
  at.width = std::max(at.width, kBarWidth);
  at.bars_across = std::max(1, (at.width + kBetweenBars) / (kBarWidth + kBetweenBars));
  at.bars_top = at.height + 14;
  const auto count = static_cast<int>(section.bars.size());
  at.height = at.bars_top + (count + at.bars_across - 1) / at.bars_across * kBarRoom;
  return at;
}

// Writes words in the middle of a width, smaller or without their end if they do not fit.
void write_fitting(cairo_t* context, std::string words, Font font, double left, double width,
                   double baseline) {
  while (font.size > 8 && width_of(context, words, font) > width) font.size -= 1;
  bool cut = false;
  while (words.size() > 1 && width_of(context, words + (cut ? "…" : ""), font) > width) {
    cut = true;
    // A character of UTF-8 is removed as a whole.
    while (words.size() > 1 && (static_cast<unsigned char>(words.back()) & 0xC0) == 0x80)
      words.pop_back();
    words.pop_back();
  }
  write_text(context, words + (cut ? "…" : ""), font, left + width / 2, baseline, 0.5, kLabelInk);
}

void draw_curve(cairo_t* context, const Panel& panel, const PanelCurve& curve, const Scale& x,
                const Scale& y) {
  set_colour(context, curve.colour);
  cairo_set_line_width(context, curve.width);
  cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
  bool drawing = false;
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    if (!can_show(curve.y[i], panel.logarithmic_y)) {
      drawing = false;
      continue;
    }
    const double to_x = x(static_cast<double>(i)), to_y = y(curve.y[i]);
    if (drawing) {
      cairo_line_to(context, to_x, to_y);
    } else {
      cairo_move_to(context, to_x, to_y);
    }
    drawing = true;
  }
  cairo_stroke(context);
}

void draw_axes(cairo_t* context, const Panel& panel, int left, int top) {
  const Scale x(panel.x, false, left, left + panel.width),
      y(panel.y, panel.logarithmic_y, top + panel.height - 1, top + 1);
  cairo_save(context);
  cairo_rectangle(context, left, top, panel.width, panel.height);
  cairo_clip(context);
  if (!panel.logarithmic_y && panel.y.low < 0 && panel.y.high > 0) {
    set_ink(context, 0.88);
    cairo_rectangle(context, left, std::round(y(0)), panel.width, 1);
    cairo_fill(context);
  }
  const double bar = panel.bars.empty() ? 0
                                        : static_cast<double>(panel.width) /
                                              static_cast<double>(panel.bars.size());
  set_colour(context, kBarColour);
  for (std::size_t i = 0; i < panel.bars.size(); ++i) {
    if (!can_show(panel.bars[i], panel.logarithmic_y)) continue;
    const double from = std::round(left + bar * static_cast<double>(i)),
                 to = std::round(left + bar * static_cast<double>(i + 1)),
                 height = y(panel.bars[i]);
    cairo_rectangle(context, from, height, to - from, top + panel.height - height);
  }
  cairo_fill(context);
  for (const PanelCurve& curve : panel.curves) draw_curve(context, panel, curve, x, y);
  cairo_restore(context);

  set_ink(context, kLineInk);
  cairo_set_line_width(context, 1);
  cairo_rectangle(context, left - 0.5, top - 0.5, panel.width + 1, panel.height + 1);
  cairo_stroke(context);
  if (panel.x_ticks) draw_ticks_below(context, panel.x, left, panel.width, top + panel.height, 2);
  if (!panel.y_ticks) return;
  for (const Tick& tick : y_ticks(panel)) {
    set_ink(context, kLabelInk);
    cairo_rectangle(context, left - 1 - kTickLength, std::round(y(tick.value)), kTickLength, 1);
    cairo_fill(context);
    write_text(context, tick.label, kSmall, left - kTickLength - 3, y(tick.value) + 3.5, 1,
               kLabelInk);
  }
}

void draw_bar(cairo_t* context, const ColourBar& bar, int left, int top) {
  write_fitting(context, bar.label, kSmall, left, kBarWidth, top + 9);
  const int y = top + 14;
  for (int i = 0; i < kBarWidth; ++i) {
    set_colour(context, colour_at(bar.scale.map, (i + 0.5) / kBarWidth));
    cairo_rectangle(context, left + i, y, 1, kBarHeight);
    cairo_fill(context);
  }
  draw_ticks_below(context, bar.scale.range, left, kBarWidth, y + kBarHeight, 10);
}

void draw_section(const Canvas& canvas, const PanelSection& section, const Placed& at, int left,
                  int top) {
  cairo_t* context = canvas.context.get();
  if (!section.heading.empty())
    write_text(context, section.heading, kHeading, left, top + at.heading_baseline, 0, kDark);
  const std::vector<int> begins = group_begins(section);
  for (std::size_t g = 0; g < section.groups.size(); ++g) {
    const auto last = static_cast<std::size_t>(begins[g + 1] - 1);
    const int from = at.column_lefts[static_cast<std::size_t>(begins[g])];
    write_fitting(context, section.groups[g].label, kText, left + from,
                  at.column_lefts[last] + at.column_widths[last] - from, top + at.group_baseline);
  }
  for (std::size_t c = 0; c < section.column_labels.size(); ++c)
    write_fitting(context, section.column_labels[c], kSmall, left + at.column_lefts[c],
                  at.column_widths[c], top + at.column_baseline);
  for (std::size_t row = 0; row < std::min<std::size_t>(at.rows, section.row_labels.size()); ++row)
    write_text(context, section.row_labels[row], kText, left + at.labels_right,
               top + at.row_tops[row] + at.row_heights[row] / 2.0 + 4, 1, kLabelInk);
  for (std::size_t i = 0; i < section.panels.size(); ++i) {
    const Panel& panel = section.panels[i];
    const std::size_t column = i % static_cast<std::size_t>(section.columns),
                      row = i / static_cast<std::size_t>(section.columns);
    const int x = left + at.column_lefts[column], y = top + at.row_tops[row];
    if (panel.picture.pixels.empty()) {
      draw_axes(context, panel, x, y);
    } else {
      draw_picture(canvas, panel.picture, panel.magnification, x, y);
    }
  }
  for (std::size_t b = 0; b < section.bars.size(); ++b) {
    const int across = static_cast<int>(b) % at.bars_across,
              down = static_cast<int>(b) / at.bars_across;
    draw_bar(context, section.bars[b], left + across * (kBarWidth + kBetweenBars),
             top + at.bars_top + down * kBarRoom);
  }
}

// Returns the width of the legend; draws it if there is a canvas.
double legend(cairo_t* context, const std::vector<LegendKey>& keys, double baseline, bool draws) {
  double x = kEdge;
  for (const LegendKey& key : keys) {
    if (draws) {
      set_colour(context, key.colour);
      cairo_rectangle(context, std::round(x), std::round(baseline - 6), 18, 3);
      cairo_fill(context);
      write_text(context, key.label, kText, x + 24, baseline, 0, kLabelInk);
    }
    x += 24 + width_of(context, key.label, kText) + 18;
  }
  return x;
}

void check_section(const PanelSection& section) {
  if (section.panels.empty() || section.columns < 1 || section.rows_together < 1)
    throw base::BadInput("a section of a sheet needs panels and columns");
  if (!section.groups.empty() && group_begins(section).back() != section.columns)
    throw base::BadInput(base::text("the groups of a section have ", group_begins(section).back(),
                                    " columns, the section ", section.columns));
  if (section.column_labels.size() > static_cast<std::size_t>(section.columns))
    throw base::BadInput("a section has more labels than columns");
  for (const Panel& panel : section.panels) {
    const Picture& picture = panel.picture;
    if (panel_width(panel) < 1 || panel_height(panel) < 1)
      throw base::BadInput("a panel needs at least one pixel");
    if (!picture.pixels.empty() &&
        ((picture.channels != 1 && picture.channels != 3) ||
         picture.pixels.size() !=
             static_cast<std::size_t>(picture.height) * picture.width * picture.channels))
      throw base::BadInput(base::text("a panel's picture of ", picture.height, "x", picture.width,
                                      "x", picture.channels, " holds ", picture.pixels.size(),
                                      " values"));
  }
}

}  // namespace

std::string panel_sheet_png(const PanelSheet& sheet) {
  const Canvas scratch(1, 1);
  cairo_t* measure = scratch.context.get();
  double words =
      std::max(width_of(measure, sheet.title, kTitle), width_of(measure, sheet.subtitle, kText));
  words = std::max(words, legend(measure, sheet.legend, 0, false) - kEdge - 18);
  int y = kEdge, title = 0, subtitle = 0, keys = 0;
  if (!sheet.title.empty()) title = y += 16;
  if (!sheet.subtitle.empty()) subtitle = y += 18;
  if (!sheet.legend.empty()) keys = y += 20;
  if (y > kEdge) y += 14;
  std::vector<Placed> placed;
  std::vector<int> tops;
  int widest = static_cast<int>(std::ceil(words));
  for (const PanelSection& section : sheet.sections) {
    check_section(section);
    placed.push_back(place(measure, section));
    tops.push_back(y);
    widest = std::max(widest, placed.back().width);
    y += placed.back().height + 22;
  }
  if (sheet.sections.empty()) throw base::BadInput("a sheet needs a section");
  const int width = widest + 2 * kEdge, height = y - 22 + kEdge;
  if (std::max(width, height) > kLargestSide)
    throw base::BadInput(base::text("a picture of ", width, " x ", height,
                                    " pixels would be larger than ", kLargestSide,
                                    " on a side: show fewer samples"));
  const Canvas canvas(width, height);
  cairo_t* context = canvas.context.get();
  if (title) write_text(context, sheet.title, kTitle, kEdge, title, 0, kDark);
  if (subtitle) write_text(context, sheet.subtitle, kText, kEdge, subtitle, 0, kLabelInk);
  if (keys) legend(context, sheet.legend, keys, true);
  for (std::size_t i = 0; i < placed.size(); ++i)
    draw_section(canvas, sheet.sections[i], placed[i], kEdge, tops[i]);
  return png_bytes(canvas);
}

void write_panel_sheet(const std::filesystem::path& path, const PanelSheet& sheet) {
  base::replace_file(path, panel_sheet_png(sheet));
}

}  // namespace vae_dist::plot
