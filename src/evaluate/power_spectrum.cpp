#include "evaluate/power_spectrum.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace vae_dist::evaluate {

bool RadialShells::exist_for(const std::vector<std::int64_t>& space) {
  return !space.empty() && *std::min_element(space.begin(), space.end()) > 4;
}

RadialShells::RadialShells(std::vector<std::int64_t> space) : space_(std::move(space)) {
  const std::int64_t nyquist = *std::min_element(space_.begin(), space_.end()) / 2;
  waves_.resize(static_cast<std::size_t>(nyquist) + 1);
  // A real transform returns only half of the last axis: F(-k) is the conjugate of F(k).
  std::vector<std::int64_t> sizes = space_;
  sizes.back() = space_.back() / 2 + 1;
  std::vector<std::int64_t> at(sizes.size());
  std::int64_t left = 1;
  for (const std::int64_t size : sizes) left *= size;
  for (; left > 0; --left) {
    double squared = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      const std::int64_t k = at[axis] <= space_[axis] / 2 ? at[axis] : at[axis] - space_[axis];
      squared += static_cast<double>(k * k);
    }
    const std::int64_t shell = std::llround(std::sqrt(squared));
    const bool alone = at.back() == 0 || 2 * at.back() == space_.back();
    shell_.push_back(shell <= nyquist ? shell : -1);
    weight_.push_back(alone ? 1 : 2);
    if (shell <= nyquist) waves_[static_cast<std::size_t>(shell)] += weight_.back();
    for (std::size_t axis = at.size(); axis-- > 0;) {
      if (++at[axis] < sizes[axis]) break;
      at[axis] = 0;
    }
  }
}

at::Tensor RadialShells::power(const at::Tensor& fields) const {
  std::vector<std::int64_t> axes;
  for (std::size_t axis = 0; axis < space_.size(); ++axis)
    axes.push_back(static_cast<std::int64_t>(axis) + 2);
  const at::Tensor transformed =
      at::fft_rfftn(fields.to(at::kCPU, at::kDouble).contiguous(), at::nullopt, axes, "forward")
          .contiguous();
  at::Tensor out = at::zeros({fields.size(0), fields.size(1), count()}, at::kDouble);
  const auto* value = transformed.const_data_ptr<c10::complex<double>>();
  auto* sum = out.mutable_data_ptr<double>();
  const std::size_t shells = waves_.size();
  for (std::int64_t row = 0; row < fields.size(0) * fields.size(1); ++row, sum += shells) {
    for (std::size_t i = 0; i < shell_.size(); ++i, ++value)
      if (shell_[i] >= 0)
        sum[shell_[i]] += static_cast<double>(weight_[i]) *
                          (value->real() * value->real() + value->imag() * value->imag());
    for (std::size_t k = 0; k < shells; ++k) sum[k] /= static_cast<double>(waves_[k]);
  }
  return out;
}

}  // namespace vae_dist::evaluate
