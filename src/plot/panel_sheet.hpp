// Draws a PNG of panels in rows and columns: fields in colours, curves, histograms, with the names
// of rows, columns and groups of columns, axes with ticks, and colour bars.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plot/axis.hpp"
#include "plot/colour_map.hpp"
#include "plot/image_grid.hpp"

namespace vae_dist::plot {

/// A line through values at x = 0, 1, 2, ...; values that are not finite are gaps.
struct PanelCurve {
  std::vector<double> y;
  Rgb colour;
  double width = 1.25;  ///< pixels
};

/// A picture if `picture` has pixels; otherwise a frame of `width` x `height` pixels with curves or
/// bars in it.
struct Panel {
  Picture picture = {};  ///< with 1 or 3 channels
  int magnification = 1;

  int width = 0, height = 0;
  Range x, y;
  std::vector<PanelCurve> curves = {};
  std::vector<double> bars = {};  ///< heights of bars that divide the range of x evenly
  bool logarithmic_y = false;     ///< bars of height 0 are left out
  bool x_ticks = false, y_ticks = false;
};

/// Neighbouring columns under one name.
struct ColumnGroup {
  std::string label;
  int columns = 1;
};

struct ColourBar {
  std::string label;
  ColourScale scale;
};

struct PanelSection {
  std::string heading = {};  ///< empty: none
  int columns = 1;
  std::vector<Panel> panels = {};            ///< row by row; the last row may be short
  std::vector<std::string> row_labels = {};  ///< there may be fewer labels than rows
  std::vector<ColumnGroup> groups = {};      ///< set apart from each other; empty: one
  std::vector<std::string> column_labels = {};
  int rows_together = 1;             ///< so many rows follow each other closely
  std::vector<ColourBar> bars = {};  ///< below the panels
};

struct LegendKey {
  std::string label;
  Rgb colour;
};

struct PanelSheet {
  std::string title = {}, subtitle = {};
  std::vector<LegendKey> legend = {};
  std::vector<PanelSection> sections = {};
};

/// Returns the bytes of a PNG file. Throws BadInput if a section has no panels, its columns or
/// groups do not fit, a panel has no size, or the sheet is larger than 16,000 pixels in width or
/// height. Throws Failure if drawing fails.
std::string panel_sheet_png(const PanelSheet& sheet);

/// Writes the sheet to a file, by rename. Also throws Failure if it cannot be written.
void write_panel_sheet(const std::filesystem::path& path, const PanelSheet& sheet);

}  // namespace vae_dist::plot
