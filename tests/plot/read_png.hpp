// Reads PNG files back with cairo, so that tests can check them pixel by pixel.
#pragma once

#include <cairo.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace vae_dist::plot {

using Pixel = std::array<int, 3>;

inline constexpr Pixel kWhite{255, 255, 255};

class Png {
 public:
  explicit Png(const std::filesystem::path& path)
      : surface_(cairo_image_surface_create_from_png(path.c_str()), cairo_surface_destroy) {
    if (cairo_surface_status(surface_.get()) != CAIRO_STATUS_SUCCESS)
      throw std::runtime_error("no PNG: " + path.string());
  }

  int width() const { return cairo_image_surface_get_width(surface_.get()); }
  int height() const { return cairo_image_surface_get_height(surface_.get()); }

  Pixel at(int x, int y) const {
    const unsigned char* row = cairo_image_surface_get_data(surface_.get()) +
                               y * cairo_image_surface_get_stride(surface_.get());
    const std::uint32_t pixel = reinterpret_cast<const std::uint32_t*>(row)[x];
    return {static_cast<int>(pixel >> 16 & 255), static_cast<int>(pixel >> 8 & 255),
            static_cast<int>(pixel & 255)};
  }

  /// Returns whether there is ink anywhere in the rectangle.
  bool has_ink(int left, int top, int right, int bottom) const {
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        if (at(x, y) != kWhite) return true;
      }
    }
    return false;
  }

 private:
  std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)> surface_;
};

}  // namespace vae_dist::plot
