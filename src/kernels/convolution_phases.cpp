#include "kernels/convolution_phases.hpp"

namespace vae_dist::kernels {

std::vector<Phase> phases_down(std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                               std::int64_t small) {
  Phase all{0, 1, small, stride, {}};
  for (std::int64_t k = 0; k < kernel; ++k) all.taps.push_back({k, k - padding});
  return {all};
}

std::vector<Phase> phases_up(std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                             std::int64_t large) {
  std::vector<Phase> out;
  for (std::int64_t first = 0; first < stride && first < large; ++first) {
    Phase phase{first, stride, (large - first + stride - 1) / stride, 1, {}};
    for (std::int64_t k = (first + padding) % stride; k < kernel; k += stride)
      phase.taps.push_back({k, (first + padding - k) / stride});
    out.push_back(phase);
  }
  return out;
}

}  // namespace vae_dist::kernels
