#include "evaluate/separation_power.hpp"

#include <ATen/ATen.h>

#include <numeric>

namespace vae_dist::evaluate {

at::Tensor histogram(const at::Tensor& values, double low, double high) {
  const double width = high > low ? (high - low) / static_cast<double>(kHistogramBins) : 1.0;
  const at::Tensor flat = values.to(at::kCPU, at::kDouble).flatten(),
                   counted = flat.masked_select(flat.isnan().logical_not());
  at::Tensor bin = ((counted - low) / width).floor().clamp(-1, kHistogramBins);
  // Rounding must not move a value over the ends: they are the data's own extremes.
  bin = at::where(counted <= high, bin.clamp_max(kHistogramBins - 1),
                  at::scalar_tensor(kHistogramBins, at::kDouble));
  return at::bincount((bin + 1).to(at::kLong), {}, kHistogramBins + 2);
}

double separation_power(const std::vector<double>& first, const std::vector<double>& second) {
  const double of_first = std::accumulate(first.begin(), first.end(), 0.0),
               of_second = std::accumulate(second.begin(), second.end(), 0.0);
  double out = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i] == 0 && second[i] == 0) continue;
    const double a = first[i] / of_first, b = second[i] / of_second;
    out += 0.5 * (a - b) * (a - b) / (a + b);
  }
  return of_first > 0 && of_second > 0 ? out : std::nan("");
}

}  // namespace vae_dist::evaluate
