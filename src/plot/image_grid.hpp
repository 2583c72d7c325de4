// Draws grids of small pictures as labelled PNG: samples, reconstructions beside their originals, a
// look at a dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::plot {

/// One picture: `pixels` is [height, width, channels] row-major, 8 bits. Any number of channels can
/// be drawn: 1 is grey, 3 is RGB; for the others see drawn_picture.hpp.
struct Picture {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// Rows that belong together under a heading, such as the rows of one run in a comparison.
struct GridBlock {
  std::string heading;
  int rows = 0;
};

struct GridOptions {
  std::string title = {};     ///< above the grid; empty: none
  std::string subtitle = {};  ///< a smaller second line; empty: none
  std::vector<std::string> row_labels =
      {};  ///< left of each row, in order; there may be fewer labels than rows
  std::vector<std::string> column_labels =
      {};  ///< above each column; in a smaller font if they would not fit
  int columns = 8;
  std::vector<GridBlock> blocks =
      {};  ///< from the first row on; empty: all rows form one block without a heading
};

/// Returns the integer factor that brings a picture's longer side nearest to 80 pixels (the result
/// is 54 to 107 pixels, or the original size if that is larger).
int grid_magnification(int height, int width);

/// Draws `pictures` row by row into a grid and returns the bytes of a PNG file. All pictures have
/// one size; the last row may be short. Small pictures are magnified by an integer factor without
/// smoothing; large ones are all shrunk alike, so that neither side of the grid exceeds about
/// 16,000 pixels. Throws BadInput if there are no pictures, if pictures differ in size or their
/// `pixels` do not match, if columns < 1, and if the blocks hold another number of rows. Throws
/// Failure if drawing fails.
std::string image_grid_png(std::span<const Picture> given, const GridOptions& options);

/// Writes the grid to a file, by rename. Also throws Failure if it cannot be written.
void write_image_grid(const std::filesystem::path& path, std::span<const Picture> pictures,
                      const GridOptions& options);

}  // namespace vae_dist::plot
