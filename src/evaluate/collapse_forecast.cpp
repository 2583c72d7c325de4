#include "evaluate/collapse_forecast.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "evaluate/read_samples.hpp"

namespace vae_dist::evaluate {

double top_variance(const data::SampleDataset& dataset, std::int64_t count, const data::InputFormat& format) {
  constexpr int kIterations = 30;
  const at::NoGradGuard no_grad;
  count = std::min(count, dataset.size());
  data::InputFormat on_host = format;
  on_host.device = c10::kCPU;
  on_host.type = at::kFloat;
  on_host.channels_last = false;
  at::Tensor images = data::model_input(read_samples(dataset, 0, count), on_host).flatten(1);
  images = images - images.mean(0);

  // A direction without preference for any pixel, but not orthogonal to anything smooth either.
  at::Tensor direction = at::linspace(1.0, 2.0, images.size(1), at::kFloat);
  double variance = 0;
  for (int i = 0; i < kIterations; ++i) {
    const double length = direction.norm().item<double>();
    if (length == 0) return 0;  // all images are the same
    direction = direction / length;
    direction = images.t().mv(images.mv(direction)) / static_cast<double>(count);
    variance = direction.norm().item<double>();
  }
  return variance;
}

}  // namespace vae_dist::evaluate
