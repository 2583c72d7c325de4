#include "data/sample_layout.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "hdf5/dataset.hpp"

namespace vae_dist::data {
namespace {

bool is_channel_count(std::int64_t n) { return n == 1 || n == 3; }

// Returns why the axes may mean something else than N images; empty if that is unlikely.
std::string other_reading(const std::vector<std::int64_t>& s, const AxesHints& hints) {
  const auto few = [](std::int64_t n) { return n == 3 || n == 4; };
  const auto is_picture = [](std::int64_t height, std::int64_t width) {
    return height > 4 && width > 4;
  };
  const std::int64_t last = s.back();
  if (hints.one_image) return "its attribute CLASS says IMAGE: the whole dataset is one picture";
  if (hints.matlab)
    return base::text("it was written by MATLAB, which stores the axes reversed: it may be ", last,
                      " images in MATLAB's own order");
  if (s.size() != 3) return "";
  if (few(s[0]) && is_picture(s[1], last))
    return base::text("it may be one picture of ", s[0], " channels, ", s[1], "x", s[2]);
  if (few(last) && is_picture(s[0], s[1]))
    return base::text("it may be one picture ", s[0], "x", s[1], " of ", last, " channels");
  if (last > 4 * s[0] && last > 4 * s[1])
    return base::text("it may be ", last, " images ", s[0], "x", s[1], " along the last axis");
  return "";
}

}  // namespace

const char* layout_name(SampleLayout layout) {
  switch (layout) {
    case SampleLayout::nhw:
      return "NHW";
    case SampleLayout::nhwc:
      return "NHWC";
    case SampleLayout::nchw:
      return "NCHW";
  }
  return "";
}

void flip_horizontally(std::span<std::uint8_t> image, const SampleShape& shape, SampleLayout layout,
                       PixelType type) {
  // Each pixel of a row is `depth` bytes that stay together.
  const std::int64_t depth = (layout == SampleLayout::nhwc ? shape.channels : 1) *
                             static_cast<std::int64_t>(bytes_of(type));
  const std::int64_t rows = static_cast<std::int64_t>(image.size()) / (shape.width * depth);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint8_t* left = image.data() + row * shape.width * depth;
    std::uint8_t* right = left + (shape.width - 1) * depth;
    for (; left < right; left += depth, right -= depth) std::swap_ranges(left, left + depth, right);
  }
}

SampleLayout find_layout(const std::vector<std::int64_t>& s, const std::string& wanted,
                         const AxesHints& hints, const std::string& where) {
  if (s.size() != 3 && s.size() != 4)
    throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(s),
                                    ": images are [N, H, W], [N, H, W, C] or [N, C, H, W]"));
  if (wanted == "NHW" && s.size() == 3) return SampleLayout::nhw;
  if (wanted == "NHWC" && s.size() == 4) return SampleLayout::nhwc;
  if (wanted == "NCHW" && s.size() == 4) return SampleLayout::nchw;
  if (wanted != "auto")
    throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(s),
                                    ", which cannot be read as layout ", wanted));
  if (const std::string other = other_reading(s, hints); !other.empty()) {
    const std::string first = s.size() == 3 ? base::text("NHW: ", s[0], " images ", s[1], "x", s[2])
                                            : base::text("NHWC or NCHW: ", s[0], " images");
    throw base::BadInput(base::text(
        where, " has shape ", hdf5::shape_text(s), ": the meaning of its axes is ambiguous: ",
        other, ". Set data.train.layout (--layout) to read it as ", first,
        "; otherwise store it as [N, H, W], [N, H, W, C] or [N, C, H, W]"));
  }
  if (s.size() == 3) return SampleLayout::nhw;
  const bool last = is_channel_count(s[3]), first = is_channel_count(s[1]);
  if (last != first) return last ? SampleLayout::nhwc : SampleLayout::nchw;
  throw base::BadInput(
      base::text(where, " has shape ", hdf5::shape_text(s),
                 ": it is ambiguous which axis holds the channels; set layout to NHWC or NCHW"));
}

SampleShape image_shape(const std::vector<std::int64_t>& s, SampleLayout layout) {
  switch (layout) {
    case SampleLayout::nhw:
      return {1, s[1], s[2]};
    case SampleLayout::nhwc:
      return {s[3], s[1], s[2]};
    case SampleLayout::nchw:
      return {s[1], s[2], s[3]};
  }
  return {};
}

bool is_image_shaped(const std::vector<std::int64_t>& s) {
  if (s.size() == 3) return s[1] > 1 && s[2] > 1;
  if (s.size() != 4 || (!is_channel_count(s[1]) && !is_channel_count(s[3]))) return false;
  return std::count(s.begin() + 1, s.end(), 1) < 3;  // labels [N, 1, 1, 1] are not images
}

}  // namespace vae_dist::data
