#include "datasets/read_picture.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.hpp"
#include "datasets/exif_orientation.hpp"

namespace vae_dist::datasets {
namespace {

bool begins_with(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> start) {
  return bytes.size() >= start.size() && std::equal(start.begin(), start.end(), bytes.begin());
}

constexpr std::array<std::uint8_t, 3> kJpeg = {0xff, 0xd8, 0xff};
constexpr std::array<std::uint8_t, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

}  // namespace

plot::Picture decode_picture(std::span<const std::uint8_t> bytes, std::uint8_t background,
                             std::int64_t most_pixels) {
  int orientation = 1;
  plot::Picture picture;
  if (begins_with(bytes, kJpeg))
    picture = decode_jpeg(bytes, most_pixels, orientation);
  else if (begins_with(bytes, kPng))
    picture = decode_png(bytes, background, most_pixels, orientation);
  else
    throw base::BadInput(bytes.empty() ? "it is empty" : "it is neither JPEG nor PNG");
  return upright(std::move(picture), orientation);
}

plot::Picture read_picture(const std::string& path, std::uint8_t background) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw base::BadInput(base::text("cannot be read: ", std::strerror(errno)));
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0)));
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
    throw base::BadInput(base::text("cannot be read: ", std::strerror(errno)));
  return decode_picture(bytes, background);
}

}  // namespace vae_dist::datasets
