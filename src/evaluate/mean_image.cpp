#include "evaluate/mean_image.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "evaluate/shared_tasks.hpp"

namespace vae_dist::evaluate {

double mean_image_mse(const data::SampleDataset& dataset, std::int64_t count,
                      comm::CpuCommunicator& all_ranks, std::int64_t first) {
  const auto values = static_cast<std::size_t>(dataset.shape().values());
  const bool bytes = dataset.type() == arrays::PixelType::uint8;
  // Floats are scaled to [0, 65536], so their squares still add up exactly.
  const double unit = bytes ? 1.0 : dataset.scale() * 65536;
  std::vector<std::uint8_t> image(dataset.image_bytes());
  const auto value = [&](std::size_t v) -> std::int64_t {
    if (bytes) return image[v];
    float pixel;
    std::memcpy(&pixel, image.data() + 4 * v, 4);
    return std::llround(static_cast<double>(pixel) * unit);
  };
  std::vector<std::int64_t> sums(2 * values);  // of all values, then of all squares
  const BlockRange own = blocks_of(all_ranks.rank(), count, all_ranks.size());
  for (std::int64_t i = own.first; i < own.last; ++i) {
    dataset.read(first + i, image);
    for (std::size_t v = 0; v < values; ++v) {
      const std::int64_t pixel = value(v);
      sums[v] += pixel;
      sums[values + v] += pixel * pixel;
    }
  }
  all_ranks.all_reduce_sum(
      {sums.data(), static_cast<std::int64_t>(sums.size()), comm::DataType::int64});

  const auto n = static_cast<double>(count);
  double variance = 0;
  for (std::size_t v = 0; v < values; ++v) {
    const double mean = static_cast<double>(sums[v]) / n;
    variance += static_cast<double>(sums[values + v]) / n - mean * mean;
  }
  const double scale = dataset.scale() / unit;
  return variance / static_cast<double>(values) * scale * scale;
}

}  // namespace vae_dist::evaluate
