#include "evaluate/mean_image.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "evaluate/read_samples.hpp"
#include "evaluate/shared_tasks.hpp"

namespace vae_dist::evaluate {

namespace {

// The same of normalised data.
double normalised_mean_image_mse(const data::SampleDataset& dataset,
                                 const data::InputFormat& format, std::int64_t count,
                                 comm::CpuCommunicator& all_ranks, std::int64_t first) {
  constexpr double kUnit = 4096;
  constexpr std::int64_t kValuesAtOnce = std::int64_t{1} << 20;
  data::InputFormat in_double = format.on(c10::kCPU, at::kDouble);
  in_double.channels_last = false;
  in_double.encoder = nullptr;
  const std::int64_t values = dataset.shape().values(),
                     at_once = std::max<std::int64_t>(1, kValuesAtOnce / values);
  // Rows: sums of all values, of all squares, and how many there are.
  const at::Tensor sums = at::zeros({3, values}, at::kLong);
  const BlockRange own = blocks_of(all_ranks.rank(), count, all_ranks.size());
  for (std::int64_t i = own.first; i < own.last; i += at_once) {
    const data::GivenInput given = data::given_input(
        data::model_input(read_samples(dataset, first + i, std::min(at_once, own.last - i)),
                          in_double),
        in_double);
    const at::Tensor whole = (given.x.flatten(1) * kUnit).round().to(at::kLong);
    sums[0] += whole.sum(0);
    sums[1] += whole.square().sum(0);
    sums[2] += given.observed.defined() ? given.observed.flatten(1).sum(0).to(at::kLong)
                                        : at::full({values}, given.x.size(0), at::kLong);
  }
  all_ranks.all_reduce_sum({sums.data_ptr<std::int64_t>(), sums.numel(), comm::DataType::int64});
  const at::Tensor n = sums[2].clamp_min(1).to(at::kDouble), mean = sums[0].to(at::kDouble) / n,
                   variance = sums[1].to(at::kDouble) / n - mean.square();
  return (variance * n).sum().item<double>() / n.sum().item<double>() / (kUnit * kUnit);
}

}  // namespace

double mean_image_mse(const data::SampleDataset& dataset, const data::InputFormat& format,
                      std::int64_t count, comm::CpuCommunicator& all_ranks, std::int64_t first) {
  if (format.normaliser) return normalised_mean_image_mse(dataset, format, count, all_ranks, first);
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
