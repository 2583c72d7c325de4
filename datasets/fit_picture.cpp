#include "datasets/fit_picture.hpp"

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

plot::Picture with_channels(plot::Picture picture, int channels) {
  if (picture.channels == channels) return picture;
  plot::Picture out{picture.height, picture.width, channels, {}};
  const auto pixels =
      static_cast<std::size_t>(picture.height) * static_cast<std::size_t>(picture.width);
  out.pixels.reserve(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    if (channels == 3) {
      out.pixels.insert(out.pixels.end(), 3, picture.pixels[i]);
    } else {
      // 0.299, 0.587, 0.114 as multiples of 1/65536.
      const std::uint8_t* p = &picture.pixels[3 * i];
      out.pixels.push_back(
          static_cast<std::uint8_t>((19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16));
    }
  }
  return out;
}

plot::Picture crop_centre(const plot::Picture& picture, int height, int width) {
  const int top = (picture.height - height) / 2, left = (picture.width - width) / 2;
  plot::Picture out{height, width, picture.channels, {}};
  const auto stride = static_cast<std::ptrdiff_t>(picture.width) * picture.channels,
             bytes = static_cast<std::ptrdiff_t>(width) * picture.channels;
  for (int row = 0; row < height; ++row) {
    const auto from = picture.pixels.begin() + (top + row) * stride +
                      static_cast<std::ptrdiff_t>(left) * picture.channels;
    out.pixels.insert(out.pixels.end(), from, from + bytes);
  }
  return out;
}

// New pixel i covers [i*from, (i+1)*from) and old pixel x covers [x*to, (x+1)*to), so all weights
// are integers and those of a new pixel add up to `from`.
struct Share {
  int source;
  std::uint64_t weight;
};

std::vector<std::vector<Share>> shares(int from, int to) {
  std::vector<std::vector<Share>> out(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    const std::int64_t begin = i * from, end = begin + from;
    for (std::int64_t x = begin / to; x * to < end; ++x)
      out[static_cast<std::size_t>(i)].push_back(
          {static_cast<int>(x),
           static_cast<std::uint64_t>(std::min(end, (x + 1) * to) - std::max(begin, x * to))});
  }
  return out;
}

}  // namespace

Crop Crop::parse(const std::string& text_form) {
  if (text_form == "none") return {none};
  if (text_form == "centre") return {square};
  Crop crop{pixels};
  const char* end = text_form.data() + text_form.size();
  const auto [last, error] = std::from_chars(text_form.data(), end, crop.side);
  if (error != std::errc{} || last != end || crop.side < 1)
    throw base::BadInput(
        base::text("unknown crop '", text_form,
                   "': use centre (the largest square), none, or a number of pixels"));
  return crop;
}

plot::Picture resized(const plot::Picture& picture, int height, int width) {
  if (picture.height == height && picture.width == width) return picture;
  const auto channels = static_cast<std::size_t>(picture.channels),
             row_values = static_cast<std::size_t>(width) * channels;
  const auto columns = shares(picture.width, width), rows = shares(picture.height, height);
  const std::uint64_t area =
      static_cast<std::uint64_t>(picture.width) * static_cast<std::uint64_t>(picture.height);
  plot::Picture out{height, width, picture.channels, {}};
  out.pixels.reserve(row_values * static_cast<std::size_t>(height));
  std::vector<std::uint64_t> narrow(row_values), sum(row_values);
  int narrowed = -1;  // source row in `narrow`; neighbouring new rows share the one at their border
  for (const auto& row_shares : rows) {
    std::fill(sum.begin(), sum.end(), 0);
    for (const Share& row : row_shares) {
      if (row.source != narrowed) {
        const std::uint8_t* source =
            &picture.pixels[static_cast<std::size_t>(row.source) *
                            static_cast<std::size_t>(picture.width) * channels];
        std::fill(narrow.begin(), narrow.end(), 0);
        for (std::size_t i = 0; i < columns.size(); ++i)
          for (const Share& column : columns[i])
            for (std::size_t c = 0; c < channels; ++c)
              narrow[i * channels + c] +=
                  column.weight * source[static_cast<std::size_t>(column.source) * channels + c];
        narrowed = row.source;
      }
      for (std::size_t i = 0; i < row_values; ++i) sum[i] += row.weight * narrow[i];
    }
    for (const std::uint64_t value : sum)
      out.pixels.push_back(static_cast<std::uint8_t>((value + area / 2) / area));
  }
  return out;
}

plot::Picture fit_picture(plot::Picture picture, const FitOptions& options) {
  const int shorter = std::min(picture.height, picture.width);
  if (options.crop.kind != Crop::none) {
    const int side = options.crop.kind == Crop::square ? shorter : options.crop.side;
    if (side > shorter)
      throw base::BadInput(base::text("it has ", picture.height, "x", picture.width,
                                      " pixels, too few for a crop of ", side, "x", side));
    picture = crop_centre(picture, side, side);
  }
  picture = with_channels(std::move(picture), options.grey ? 1 : 3);
  return options.size > 0 ? resized(picture, options.size, options.size) : picture;
}

}  // namespace vae_dist::datasets
