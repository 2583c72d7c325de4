#include "data/image_geometry.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace vae_dist::data {

SampleShape shape_after(const SampleShape& shape, const Geometry& geometry,
                        const std::string& where) {
  if (geometry.crop && (*geometry.crop > shape.height || *geometry.crop > shape.width))
    throw base::BadInput(base::text("data.crop is ", *geometry.crop, ", but the images of ", where,
                                    " have ", shape.height, "x", shape.width, " pixels"));
  if (geometry.resize) return {shape.channels, *geometry.resize, *geometry.resize};
  if (geometry.crop) return {shape.channels, *geometry.crop, *geometry.crop};
  return shape;
}

ImageResizer::ImageResizer(const SampleShape& from, SampleLayout layout, const Geometry& geometry)
    : from_(from),
      to_(shape_after(from, geometry, "the dataset")),
      channels_last_(layout == SampleLayout::nhwc) {
  const std::int64_t height = geometry.crop.value_or(from.height),
                     width = geometry.crop.value_or(from.width);
  rows_ = taps((from.height - height) / 2, height, to_.height);
  columns_ = taps((from.width - width) / 2, width, to_.width);
}

ImageResizer::Taps ImageResizer::taps(std::int64_t first, std::int64_t size,
                                      std::int64_t out_size) {
  Taps out(static_cast<std::size_t>(out_size));
  // Works in units of 1 / out_size of an input pixel, so that edges are exact: output i covers [i *
  // size, (i + 1) * size).
  for (std::int64_t i = 0; i < out_size; ++i)
    for (std::int64_t input = i * size / out_size; input * out_size < (i + 1) * size; ++input) {
      const std::int64_t begin = std::max(i * size, input * out_size),
                         end = std::min((i + 1) * size, (input + 1) * out_size);
      out[static_cast<std::size_t>(i)].push_back(
          {first + input, static_cast<float>(end - begin) / static_cast<float>(size)});
    }
  return out;
}

void ImageResizer::apply(std::span<const float> values, std::span<float> out) {
  // Handles both layouts alike, as planes of [lines, run], where a run is the last image axis
  // together with any channels inside it.
  const std::int64_t planes = channels_last_ ? 1 : from_.channels,
                     depth = channels_last_ ? from_.channels : 1;
  const std::int64_t run = from_.width * depth;
  wide_.assign(static_cast<std::size_t>(planes * to_.height * run), 0.0f);
  for (std::int64_t plane = 0; plane < planes; ++plane)
    for (std::int64_t y = 0; y < to_.height; ++y) {
      float* to = wide_.data() + (plane * to_.height + y) * run;
      for (const Tap& tap : rows_[static_cast<std::size_t>(y)]) {
        const float* from = values.data() + (plane * from_.height + tap.input) * run;
        for (std::int64_t x = 0; x < run; ++x) to[x] += tap.weight * from[x];
      }
    }
  float* to = out.data();
  for (std::int64_t line = 0; line < planes * to_.height; ++line)
    for (const auto& column : columns_)
      for (std::int64_t c = 0; c < depth; ++c) {
        float sum = 0;
        for (const Tap& tap : column)
          sum += tap.weight * wide_[static_cast<std::size_t>(line * run + tap.input * depth + c)];
        *to++ = sum;
      }
}

}  // namespace vae_dist::data
