// Grids of small pictures as labelled PNG: samples, reconstructions beside their originals, a
// dataset's look.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::plot {

/// One picture: `pixels` is [height, width, channels] row-major, 8 bits. Any number of channels is
/// drawn: 1 is grey, 3 RGB, and the others as drawn_picture.hpp says.
struct Picture {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// Rows that belong together, under a heading of their own: one run's in a comparison.
struct GridBlock {
  std::string heading;
  int rows = 0;
};

struct GridOptions {
  std::string title = {};     ///< above the grid; empty: none
  std::string subtitle = {};  ///< a smaller second line; empty: none
  std::vector<std::string> row_labels =
      {};  ///< left of each row, in order; may be shorter than the rows
  std::vector<std::string> column_labels =
      {};  ///< above each column; set smaller where they would not fit their column
  int columns = 8;
  std::vector<GridBlock> blocks =
      {};  ///< from the first row on; empty: the rows are one block without a heading
};

/// The whole number that brings a picture's longer side nearest to 80 pixels (54 to 107 of them, or
/// its own size if that is more).
int grid_magnification(int height, int width);

/// Draws `pictures` row by row into a grid (all of one size; integer magnification without
/// smoothing so that small pictures can be seen; the last row may be short; large ones shrunk, all
/// alike, to a grid that is no wider nor higher than about 16,000 pixels) and returns the bytes of
/// a PNG file. Throws BadInput for no pictures, pictures of different sizes or whose `pixels` do
/// not match, columns < 1 and blocks that hold another number of rows; Failure when it cannot be
/// drawn.
std::string image_grid_png(std::span<const Picture> pictures, const GridOptions& options);

/// The same into a file, by rename. Throws Failure also when it cannot be written.
void write_image_grid(const std::filesystem::path& path, std::span<const Picture> pictures,
                      const GridOptions& options);

}  // namespace vae_dist::plot
