#include "plot/canvas.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.hpp"
#include "base/utf8.hpp"

namespace vae_dist::plot {
namespace {

constexpr double kFrameInk = 0.85;

void check(cairo_status_t status) {
  if (status != CAIRO_STATUS_SUCCESS)
    throw base::Failure(base::text("cannot draw a picture: ", cairo_status_to_string(status)));
}

void select(cairo_t* context, Font font) {
  cairo_select_font_face(context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         font.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, font.size);
}

}  // namespace

Canvas::Canvas(int width, int height)
    : surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height)),
      context(cairo_create(surface.get())) {
  check(cairo_surface_status(surface.get()));
  check(cairo_status(context.get()));
  cairo_set_source_rgb(context.get(), 1, 1, 1);
  cairo_paint(context.get());
}

// Cairo stops drawing after a text that is not UTF-8, hence utf8_text().
double width_of(cairo_t* context, const std::string& words, Font font) {
  select(context, font);
  cairo_text_extents_t extents;
  cairo_text_extents(context, base::utf8_text(words).c_str(), &extents);
  return extents.x_advance;
}

double widest_of(cairo_t* context, const std::vector<std::string>& labels, Font font) {
  double widest = 0;
  for (const std::string& label : labels) widest = std::max(widest, width_of(context, label, font));
  return widest;
}

void write_text(cairo_t* context, const std::string& words, Font font, double x, double baseline,
                double align, double ink) {
  const double start = x - align * width_of(context, words, font);
  cairo_set_source_rgb(context, ink, ink, ink);
  cairo_move_to(context, std::round(start), std::round(baseline));
  cairo_show_text(context, base::utf8_text(words).c_str());
}

void draw_picture(const Canvas& canvas, const Picture& picture, int magnification, int left,
                  int top) {
  cairo_t* context = canvas.context.get();
  cairo_set_source_rgb(context, kFrameInk, kFrameInk, kFrameInk);
  cairo_rectangle(context, left - 1, top - 1, magnification * picture.width + 2,
                  magnification * picture.height + 2);
  cairo_fill(context);

  cairo_surface_flush(canvas.surface.get());
  unsigned char* data = cairo_image_surface_get_data(canvas.surface.get());
  const std::ptrdiff_t stride = cairo_image_surface_get_stride(canvas.surface.get());
  for (int y = 0; y < magnification * picture.height; ++y) {
    auto* row = reinterpret_cast<std::uint32_t*>(data + (top + y) * stride) + left;
    for (int x = 0; x < magnification * picture.width; ++x) {
      const std::size_t pixel =
          static_cast<std::size_t>(y / magnification) * picture.width + x / magnification;
      const std::uint8_t* value = picture.pixels.data() + pixel * picture.channels;
      const std::uint32_t red = value[0], green = value[picture.channels == 3 ? 1 : 0],
                          blue = value[picture.channels == 3 ? 2 : 0];
      row[x] = red << 16 | green << 8 | blue;
    }
  }
  cairo_surface_mark_dirty(canvas.surface.get());
}

std::string png_bytes(const Canvas& canvas) {
  check(cairo_status(canvas.context.get()));
  std::string bytes;
  const auto append = [](void* sink, const unsigned char* data, unsigned int length) {
    static_cast<std::string*>(sink)->append(reinterpret_cast<const char*>(data), length);
    return CAIRO_STATUS_SUCCESS;
  };
  check(cairo_surface_write_to_png_stream(canvas.surface.get(), append, &bytes));
  return bytes;
}

}  // namespace vae_dist::plot
