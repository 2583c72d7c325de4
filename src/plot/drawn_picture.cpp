#include "plot/drawn_picture.hpp"

#include <algorithm>
#include <cmath>

namespace vae_dist::plot {
namespace {

constexpr std::uint8_t kLight = 255, kDark = 204, kLine = 217;
constexpr int kSquares = 8;  // squares of the chequerboard along the shorter side

std::size_t index(const Picture& picture, int y, int x) {
  return (static_cast<std::size_t>(y) * picture.width + x) * picture.channels;
}

Picture over_chequerboard(const Picture& rgba) {
  Picture out{rgba.height, rgba.width, 3,
              std::vector<std::uint8_t>(static_cast<std::size_t>(rgba.height) * rgba.width * 3)};
  const int square = std::max(1, std::min(rgba.height, rgba.width) / kSquares);
  for (int y = 0; y < rgba.height; ++y) {
    for (int x = 0; x < rgba.width; ++x) {
      const std::uint8_t* const from = &rgba.pixels[index(rgba, y, x)];
      const int alpha = from[3], ground = (y / square + x / square) % 2 == 0 ? kLight : kDark;
      for (int c = 0; c < 3; ++c)
        out.pixels[index(out, y, x) + c] =
            static_cast<std::uint8_t>((from[c] * alpha + ground * (255 - alpha) + 127) / 255);
    }
  }
  return out;
}

Picture channels_side_by_side(const Picture& picture) {
  const int columns = static_cast<int>(std::ceil(std::sqrt(picture.channels))),
            rows = (picture.channels + columns - 1) / columns;
  Picture out{rows * (picture.height + 1) - 1, columns * (picture.width + 1) - 1, 1, {}};
  out.pixels.assign(static_cast<std::size_t>(out.height) * out.width, kLine);
  for (int channel = 0; channel < picture.channels; ++channel) {
    const int top = channel / columns * (picture.height + 1),
              left = channel % columns * (picture.width + 1);
    for (int y = 0; y < picture.height; ++y)
      for (int x = 0; x < picture.width; ++x)
        out.pixels[index(out, top + y, left + x)] = picture.pixels[index(picture, y, x) + channel];
  }
  return out;
}

}  // namespace

Picture drawn_picture(const Picture& picture) {
  if (picture.channels == 1 || picture.channels == 3) return picture;
  return picture.channels == 4 ? over_chequerboard(picture) : channels_side_by_side(picture);
}

Picture shrunk_picture(const Picture& picture, int factor) {
  Picture out{(picture.height + factor - 1) / factor,
              (picture.width + factor - 1) / factor,
              picture.channels,
              {}};
  out.pixels.resize(static_cast<std::size_t>(out.height) * out.width * out.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int below = std::min(picture.height, (y + 1) * factor),
                right = std::min(picture.width, (x + 1) * factor);
      const int count = (below - y * factor) * (right - x * factor);
      for (int c = 0; c < out.channels; ++c) {
        int sum = 0;
        for (int from_y = y * factor; from_y < below; ++from_y)
          for (int from_x = x * factor; from_x < right; ++from_x)
            sum += picture.pixels[index(picture, from_y, from_x) + c];
        out.pixels[index(out, y, x) + c] = static_cast<std::uint8_t>((sum + count / 2) / count);
      }
    }
  }
  return out;
}

}  // namespace vae_dist::plot
