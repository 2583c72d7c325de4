#include "evaluate/mean_image.hpp"

#include <vector>

namespace vae_dist {

double mean_image_mse(const ImageDataset& dataset, std::int64_t count, Communicator& host) {
  const auto values = static_cast<std::size_t>(dataset.shape().values());
  std::vector<std::uint8_t> image(values);
  std::vector<std::int64_t> sums(2 * values);  // of each value, then of its square
  for (std::int64_t i = host.rank(); i < count; i += host.size()) {
    dataset.read(i, image);
    for (std::size_t v = 0; v < values; ++v) {
      sums[v] += image[v];
      sums[values + v] += std::int64_t{image[v]} * image[v];
    }
  }
  host.all_reduce_sum({sums.data(), static_cast<std::int64_t>(sums.size()), DataType::int64});

  const auto n = static_cast<double>(count);
  double variance = 0;
  for (std::size_t v = 0; v < values; ++v) {
    const double mean = static_cast<double>(sums[v]) / n;
    variance += static_cast<double>(sums[values + v]) / n - mean * mean;
  }
  return variance / static_cast<double>(values) * dataset.scale() * dataset.scale();
}

}  // namespace vae_dist
