// Pieces that the chapters of the lesson share.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "base/digits.hpp"
#include "lesson/experiments.hpp"
#include "plot/html_page.hpp"
#include "plot/image_grid.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::lesson {

/// Three significant digits are enough on a page for reading.
inline std::string short_number(double value) { return base::digits(value, 3); }

/// Returns a grid of images [B, C, H, W] in [0, 1].
inline plot::PagePicture labelled_grid(const std::string& label, const at::Tensor& images,
                                       const plot::GridOptions& options) {
  return {label, plot::image_grid_png(report::pictures_of(images, {0, 1}), options)};
}

/// Adds the chapters on what the bound lacks, on the gradient's estimators, and on the width of
/// p(x|z).
void add_gap_chapter(const LessonResults& results, plot::HtmlPage& page);
void add_gradient_chapter(const LessonResults& results, plot::HtmlPage& page);
void add_width_chapter(const LessonResults& results, plot::HtmlPage& page);

}  // namespace vae_dist::lesson
