#include "arrays/image_geometry.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace vae_dist::arrays {

SampleShape shape_after(const SampleShape& shape, const Geometry& geometry,
                        const std::string& where) {
  if (geometry.is_identity()) return shape;
  if (!shape.is_image())
    throw base::BadInput(base::text("data.crop and data.resize are for images, but ", where,
                                    " holds ", shape.plural(), " (", shape.text(), ")"));
  if (geometry.crop && (*geometry.crop > shape.space[0] || *geometry.crop > shape.space[1]))
    throw base::BadInput(base::text("data.crop is ", *geometry.crop, ", but the images of ", where,
                                    " have ", shape.space[0], "x", shape.space[1], " pixels"));
  const std::int64_t side = geometry.resize ? *geometry.resize : *geometry.crop;
  return {shape.channels, {side, side}};
}

ImageResizer::ImageResizer(const SampleShape& from, const SampleLayout& layout,
                           const Geometry& geometry) {
  const SampleShape to = shape_after(from, geometry, "the dataset");
  std::vector<std::int64_t> sizes = layout.sizes(from);
  const std::vector<std::size_t> axes = layout.space_axes();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = axes[i];
    const std::int64_t kept = geometry.crop.value_or(from.space[i]);
    Pass pass{1, sizes[axis], 1, taps((from.space[i] - kept) / 2, kept, to.space[i])};
    for (std::size_t other = 0; other < sizes.size(); ++other) {
      if (other < axis) pass.outer *= sizes[other];
      if (other > axis) pass.inner *= sizes[other];
    }
    sizes[axis] = to.space[i];
    passes_.push_back(std::move(pass));
  }
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

void ImageResizer::run(const Pass& pass, const float* from, float* to) {
  for (std::int64_t outer = 0; outer < pass.outer; ++outer, from += pass.in * pass.inner)
    for (const auto& taps : pass.taps) {
      std::fill(to, to + pass.inner, 0.0F);
      for (const Tap& tap : taps) {
        const float* const line = from + tap.input * pass.inner;
        for (std::int64_t i = 0; i < pass.inner; ++i) to[i] += tap.weight * line[i];
      }
      to += pass.inner;
    }
}

void ImageResizer::apply(std::span<const float> values, std::span<float> out) {
  const Pass& rows = passes_.front();
  between_.resize(static_cast<std::size_t>(rows.outer) * rows.taps.size() *
                  static_cast<std::size_t>(rows.inner));
  run(rows, values.data(), between_.data());
  run(passes_.back(), between_.data(), out.data());
}

}  // namespace vae_dist::arrays
