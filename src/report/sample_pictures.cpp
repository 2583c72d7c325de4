#include "report/sample_pictures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "evaluate/model_pictures.hpp"

namespace vae_dist::report {
namespace {

constexpr std::int64_t kCurveHeight = 64, kCurveWidth = 256;
// Of more channels the first are shown.
constexpr std::int64_t kMostChannels = 8;

at::Tensor padded(const at::Tensor& slice, std::int64_t height) {
  return at::constant_pad_nd(slice, {0, 1, 0, height - slice.size(-2)}, 0);
}

// [B, C, D, H, W] in [0, 1] -> [B, C, height, width].
at::Tensor middle_slices(const at::Tensor& volumes) {
  const std::int64_t height = std::max(volumes.size(3), volumes.size(2));
  return at::cat({padded(volumes.select(2, volumes.size(2) / 2), height),
                  padded(volumes.select(3, volumes.size(3) / 2), height),
                  padded(volumes.select(4, volumes.size(4) / 2), height)},
                 3);
}

// [B, C, W] in [0, 1] -> [B, C, height, W or less]: in each column the values from the last one's
// to its own are white. Longer series are thinned to their means.
at::Tensor curves(const at::Tensor& series) {
  at::Tensor values = series;
  if (values.size(2) > kCurveWidth) values = at::adaptive_avg_pool1d(values, {kCurveWidth});
  const at::Tensor rows = ((1 - values) * (kCurveHeight - 1)).round(),
                   before = at::cat({rows.narrow(2, 0, 1), rows.narrow(2, 0, rows.size(2) - 1)}, 2),
                   row = at::arange(kCurveHeight, rows.options()).view({1, 1, -1, 1});
  return at::logical_and(row >= at::minimum(rows, before).unsqueeze(2),
                         row <= at::maximum(rows, before).unsqueeze(2))
      .to(at::kFloat);
}

// [B, C, H, W] -> [B, 1, H, C * (W + 1) - 1].
at::Tensor side_by_side(const at::Tensor& channels) {
  std::vector<at::Tensor> parts;
  for (std::int64_t c = 0; c < std::min(channels.size(1), kMostChannels); ++c)
    parts.push_back(padded(channels.narrow(1, c, 1), channels.size(2)));
  const at::Tensor all = at::cat(parts, 3);
  return all.narrow(3, 0, all.size(3) - 1);
}

}  // namespace

Shades Shades::for_values(const at::Tensor& samples) const {
  if (high > low) return *this;
  const at::Tensor known = samples.masked_select(samples.isfinite());
  if (known.numel() == 0) return {};
  const Shades found{known.min().item<double>(), known.max().item<double>()};
  return found.high > found.low ? found : Shades{found.low, found.low + 1};
}

std::vector<plot::Picture> pictures_of(const at::Tensor& samples, Shades shades) {
  auto [low, high] = shades.for_values(samples);
  at::Tensor images = samples;
  if (samples.dim() != 4) {
    images = ((samples.detach().to(at::kCPU, at::kFloat) - low) / (high - low)).clamp(0, 1);
    low = 0;
    high = 1;
    // The values of a vector are the points of one curve.
    if (images.dim() == 2) images = images.unsqueeze(1);
    images = images.dim() == 5 ? middle_slices(images) : curves(images);
  }
  if (images.size(1) > 4 || (images.size(1) > 1 && samples.dim() != 4))
    images = side_by_side(images);
  std::vector<plot::Picture> out;
  for (auto& bytes : evaluate::image_bytes(images, low, high))
    out.push_back({static_cast<int>(images.size(2)), static_cast<int>(images.size(3)),
                   static_cast<int>(images.size(1)), std::move(bytes)});
  return out;
}

}  // namespace vae_dist::report
