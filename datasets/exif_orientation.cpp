#include "datasets/exif_orientation.hpp"

#include <algorithm>
#include <utility>

namespace vae_dist::datasets {
namespace {

constexpr int kUpright = 1;

// Reads numbers of either byte order. Returns 0 beyond the end, which is not valid for any field
// used here.
class TiffBytes {
 public:
  TiffBytes(std::span<const std::uint8_t> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  std::uint32_t number(std::uint64_t at, int width) const {
    if (at + static_cast<std::uint64_t>(width) > bytes_.size()) return 0;
    std::uint32_t out = 0;
    for (int i = 0; i < width; ++i)
      out = out << 8 | bytes_[at + static_cast<std::uint64_t>(big_endian_ ? i : width - 1 - i)];
    return out;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_endian_;
};

}  // namespace

int exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return kUpright;
  const TiffBytes bytes(tiff, tiff[0] == 'M');
  if (bytes.number(2, 2) != 42) return kUpright;
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  const std::uint64_t directory = bytes.number(4, 4);
  const std::uint32_t entries = bytes.number(directory, 2);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + 12 * i;
    if (bytes.number(entry, 2) != kOrientation) continue;
    const std::uint32_t value = bytes.number(entry + 8, 2);
    return bytes.number(entry + 2, 2) == kShort && value >= 1 && value <= 8
               ? static_cast<int>(value)
               : kUpright;
  }
  return kUpright;
}

plot::Picture upright(plot::Picture picture, int orientation) {
  if (orientation == kUpright) return picture;
  const bool transposed = orientation >= 5;
  plot::Picture out{transposed ? picture.width : picture.height,
                    transposed ? picture.height : picture.width,
                    picture.channels,
                    {}};
  out.pixels.resize(picture.pixels.size());
  const int last_row = picture.height - 1, last_column = picture.width - 1;
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  auto to = out.pixels.begin();
  for (int r = 0; r < out.height; ++r) {
    for (int c = 0; c < out.width; ++c) {
      const int along = transposed ? c : r, across = transposed ? r : c;
      const int row = from_bottom ? last_row - along : along,
                column = from_right ? last_column - across : across;
      const auto from =
          picture.pixels.begin() +
          (static_cast<std::ptrdiff_t>(row) * picture.width + column) * picture.channels;
      to = std::copy_n(from, picture.channels, to);
    }
  }
  return out;
}

}  // namespace vae_dist::datasets
