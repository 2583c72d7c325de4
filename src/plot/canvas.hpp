// A white canvas of pixels on which text and pictures are drawn, and its PNG. Internal to src/plot.
#pragma once

#include <cairo.h>

#include <memory>
#include <string>
#include <vector>

#include "plot/image_grid.hpp"

namespace vae_dist::plot {

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct ContextDeleter {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

/// Throws Failure if cairo cannot make it.
struct Canvas {
  Canvas(int width, int height);

  std::unique_ptr<cairo_surface_t, SurfaceDeleter> surface;
  std::unique_ptr<cairo_t, ContextDeleter> context;
};

struct Font {
  double size;
  bool bold = false;
};

double width_of(cairo_t* context, const std::string& words, Font font);
double widest_of(cairo_t* context, const std::vector<std::string>& labels, Font font);

/// `align`: 0 starts the text at x, 0.5 centres it on x, 1 ends it at x. `ink`: grey, 0 is black.
void write_text(cairo_t* context, const std::string& words, Font font, double x, double baseline,
                double align, double ink);

/// Draws a picture with 1 or 3 channels and a thin frame around it: each pixel as a square, written
/// directly, so that nothing resamples it.
void draw_picture(const Canvas& canvas, const Picture& picture, int magnification, int left,
                  int top);

std::string png_bytes(const Canvas& canvas);

}  // namespace vae_dist::plot
