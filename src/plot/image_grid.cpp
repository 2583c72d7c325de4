#include "plot/image_grid.hpp"

#include <algorithm>
#include <cmath>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "plot/canvas.hpp"
#include "plot/drawn_picture.hpp"

namespace vae_dist::plot {
namespace {

constexpr int kMargin = 16, kGap = 4, kLabelGap = 8;
constexpr int kBlockGap = 12, kHeadingRoom = 20;
constexpr int kTypicalCell = 80;
// Cairo draws nothing beyond 32767, and nobody looks at even half of that.
constexpr std::int64_t kLargestGrid = 16000;
constexpr double kTitleSize = 16, kSubtitleSize = 12, kLabelSize = 12, kSmallestLabelSize = 7;
constexpr double kTitleInk = 0.10, kTextInk = 0.35;

// Positions of all parts, in pixels of the canvas.
struct Layout {
  int columns, rows, magnification, cell_width, cell_height;
  int left, top;      ///< of the first cell, or of the first block's heading
  int width, height;  ///< of the canvas
  double title_baseline, subtitle_baseline, column_baseline, column_size;

  std::vector<int>
      row_tops;  ///< one more than rows: the last is the top of the row that would follow
  std::vector<int> heading_baselines;  ///< of the blocks

  int x(int column) const { return left + column * (cell_width + kGap); }
  int y(int row) const { return row_tops[static_cast<std::size_t>(row)]; }
};

void place_rows(Layout& at, const std::vector<GridBlock>& blocks) {
  int y = at.top;
  std::size_t block = 0;
  int block_begins = 0;
  for (int row = 0; row < at.rows; ++row) {
    if (block < blocks.size() && row == block_begins) {
      if (row > 0) y += kBlockGap;
      at.heading_baselines.push_back(y + static_cast<int>(kLabelSize));
      if (!blocks[block].heading.empty()) y += kHeadingRoom;
      block_begins += blocks[block++].rows;
    }
    at.row_tops.push_back(y);
    y += at.cell_height + kGap;
  }
  at.row_tops.push_back(y);
}

Layout lay_out(std::span<const Picture> pictures, const GridOptions& options) {
  const Canvas scratch(1, 1);
  cairo_t* measure = scratch.context.get();
  Layout at{};
  const int count = static_cast<int>(pictures.size());
  at.columns = std::min(options.columns, count);
  at.rows = (count + at.columns - 1) / at.columns;
  at.magnification = grid_magnification(pictures[0].height, pictures[0].width);
  at.cell_width = at.magnification * pictures[0].width;
  at.cell_height = at.magnification * pictures[0].height;

  const double row_label_width = widest_of(measure, options.row_labels, {kLabelSize});
  at.left = kMargin +
            (row_label_width > 0 ? static_cast<int>(std::ceil(row_label_width)) + kLabelGap : 0);

  double y = kMargin;
  if (!options.title.empty()) at.title_baseline = y += kTitleSize;
  if (!options.subtitle.empty()) at.subtitle_baseline = y += kSubtitleSize + 6;
  if (y > kMargin) y += 12;
  const double column_label_width = widest_of(measure, options.column_labels, {kLabelSize});
  if (column_label_width > 0) {
    at.column_size =
        std::clamp(kLabelSize * at.cell_width / column_label_width, kSmallestLabelSize, kLabelSize);
    at.column_baseline = y += at.column_size;
    y += 6;
  }
  at.top = static_cast<int>(std::ceil(y));

  place_rows(at, options.blocks);

  double headings = 0;
  for (const GridBlock& block : options.blocks)
    headings = std::max(headings, width_of(measure, block.heading, {kLabelSize, true}));
  const double words = std::max({headings, width_of(measure, options.title, {kTitleSize, true}),
                                 width_of(measure, options.subtitle, {kSubtitleSize})});
  at.width =
      std::max(at.x(at.columns) - kGap, kMargin + static_cast<int>(std::ceil(words))) + kMargin;
  at.height = at.y(at.rows) - kGap + kMargin;
  return at;
}

void check_pictures(std::span<const Picture> pictures, const GridOptions& options) {
  if (pictures.empty()) throw base::BadInput("an image grid needs at least one picture");
  if (options.columns < 1)
    throw base::BadInput(
        base::text("an image grid needs at least one column, not ", options.columns));
  const Picture& first = pictures[0];
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Picture& picture = pictures[i];
    const auto size = [](const Picture& of) {
      return base::text(of.height, "x", of.width, "x", of.channels);
    };
    if (picture.height != first.height || picture.width != first.width ||
        picture.channels != first.channels) {
      throw base::BadInput(base::text("an image grid needs pictures of one size: the first is ",
                                      size(first), ", number ", i, " is ", size(picture)));
    }
    if (picture.height < 1 || picture.width < 1 || picture.channels < 1) {
      throw base::BadInput(
          base::text("an image grid draws pictures with at least one pixel and channel, not ",
                     size(picture), " (height x width x channels)"));
    }
    const std::size_t expected =
        static_cast<std::size_t>(picture.height) * picture.width * picture.channels;
    if (picture.pixels.size() != expected) {
      throw base::BadInput(base::text("picture ", i, " of ", size(picture), " holds ",
                                      picture.pixels.size(), " values, not ", expected));
    }
  }
  if (options.blocks.empty()) return;
  int in_blocks = 0;
  for (const GridBlock& block : options.blocks) {
    if (block.rows < 1)
      throw base::BadInput(base::text("a block of an image grid needs at least one row: \"",
                                      block.heading, "\" has ", block.rows));
    in_blocks += block.rows;
  }
  const std::size_t rows = (pictures.size() + static_cast<std::size_t>(options.columns) - 1) /
                           static_cast<std::size_t>(options.columns);
  if (static_cast<std::size_t>(in_blocks) != rows)
    throw base::BadInput(base::text("an image grid of ", rows,
                                    " rows cannot be divided into blocks that have ", in_blocks,
                                    " rows in total"));
}

// Returns the pictures as they are drawn: with 1 or 3 channels, and small enough.
std::vector<Picture> drawn(std::span<const Picture> pictures, int columns) {
  std::vector<Picture> out;
  for (const Picture& picture : pictures) out.push_back(drawn_picture(picture));
  const std::int64_t across =
                         std::min<std::int64_t>(columns, static_cast<std::int64_t>(out.size())),
                     down = (static_cast<std::int64_t>(out.size()) + across - 1) / across;
  const std::int64_t longest =
      std::max(across * (out[0].width + kGap), down * (out[0].height + kGap));
  if (longest <= kLargestGrid) return out;
  const int factor = static_cast<int>((longest + kLargestGrid - 1) / kLargestGrid);
  for (Picture& picture : out) picture = shrunk_picture(picture, factor);
  return out;
}

}  // namespace

int grid_magnification(int height, int width) {
  return std::max(1, static_cast<int>(
                         std::lround(static_cast<double>(kTypicalCell) / std::max(height, width))));
}

std::string image_grid_png(std::span<const Picture> given, const GridOptions& options) {
  check_pictures(given, options);
  const std::vector<Picture> pictures = drawn(given, options.columns);
  const Layout at = lay_out(pictures, options);
  const Canvas canvas(at.width, at.height);
  cairo_t* context = canvas.context.get();

  if (!options.title.empty())
    write_text(context, options.title, {kTitleSize, true}, kMargin, at.title_baseline, 0,
               kTitleInk);
  if (!options.subtitle.empty())
    write_text(context, options.subtitle, {kSubtitleSize}, kMargin, at.subtitle_baseline, 0,
               kTextInk);
  for (int column = 0; column < std::min<int>(at.columns, options.column_labels.size()); ++column) {
    write_text(context, options.column_labels[column], {at.column_size},
               at.x(column) + at.cell_width / 2.0, at.column_baseline, 0.5, kTextInk);
  }
  for (int row = 0; row < std::min<int>(at.rows, options.row_labels.size()); ++row) {
    const double baseline = at.y(row) + at.cell_height / 2.0 +
                            kLabelSize * 0.36;  // half the height of a capital letter
    write_text(context, options.row_labels[row], {kLabelSize}, at.left - kLabelGap, baseline, 1,
               kTextInk);
  }
  for (std::size_t block = 0; block < options.blocks.size(); ++block) {
    write_text(context, options.blocks[block].heading, {kLabelSize, true}, kMargin,
               at.heading_baselines[block], 0, kTitleInk);
  }
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    draw_picture(canvas, pictures[i], at.magnification, at.x(static_cast<int>(i) % at.columns),
                 at.y(static_cast<int>(i) / at.columns));
  }
  return png_bytes(canvas);
}

void write_image_grid(const std::filesystem::path& path, std::span<const Picture> pictures,
                      const GridOptions& options) {
  base::replace_file(path, image_grid_png(pictures, options));
}

}  // namespace vae_dist::plot
