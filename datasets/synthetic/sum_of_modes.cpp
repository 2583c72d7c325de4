#include "synthetic/sum_of_modes.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <kissfft.hh>
#include <numeric>

#include "base/error.hpp"

namespace vae_dist::synthetic {
namespace {

std::int64_t points_of(const std::vector<std::int64_t>& size) {
  return std::accumulate(size.begin(), size.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

std::vector<double> squared_wave_numbers(const std::vector<std::int64_t>& size) {
  std::vector<double> out(static_cast<std::size_t>(points_of(size)), 0.0);
  std::int64_t inner = points_of(size);
  for (const std::int64_t length : size) {
    inner /= length;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::int64_t at = static_cast<std::int64_t>(i) / inner % length;
      const auto waves = static_cast<double>(at <= length / 2 ? at : at - length);
      out[i] += waves * waves;
    }
  }
  return out;
}

void sum_modes(std::span<std::complex<double>> values, const std::vector<std::int64_t>& size) {
  if (static_cast<std::int64_t>(values.size()) != points_of(size))
    throw base::Failure(base::text("a grid of ", points_of(size), " points has ", values.size(),
                                   " amplitudes: one for each point is needed"));
  std::size_t inner = values.size();
  for (const std::int64_t axis : size) {
    const auto length = static_cast<std::size_t>(axis);
    inner /= length;
    const kissfft<double> transform(length, true);
    std::vector<std::complex<double>> line(length), sums(length);
    // Lines along this axis begin at each point whose coordinate along it is zero.
    for (std::size_t outer = 0; outer < values.size(); outer += length * inner)
      for (std::size_t begin = outer; begin < outer + inner; ++begin) {
        for (std::size_t i = 0; i < length; ++i) line[i] = values[begin + i * inner];
        transform.transform(line.data(), sums.data());
        for (std::size_t i = 0; i < length; ++i) values[begin + i * inner] = sums[i];
      }
  }
}

}  // namespace vae_dist::synthetic
