// The exponential function for loops over vectors: the same bits with every width of a vector.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/cloned.hpp"

namespace vae_dist::kernels {

// The exponential series up to r^degree: 1 + r + r^2 / 2! + ...
template <typename A, int degree>
constexpr std::array<A, degree + 1> exponential_series() {
  std::array<A, degree + 1> terms{};
  double factorial = 1;
  for (int k = 0; k <= degree; factorial *= ++k)
    terms[static_cast<std::size_t>(k)] = static_cast<A>(1 / factorial);
  return terms;
}

// exp(x) = 2^n * exp(r), where r = x - n * ln 2 and |r| <= ln(2) / 2. Adding 1.5 * 2^(digits)
// rounds to an integer, which then stands in the lowest bits of the sum. Beyond `kLimit` the
// results only have to stay finite and small or large.
template <typename A>
VAE_DIST_INLINED A exponential(A x) {
  constexpr bool kSingle = std::is_same_v<A, float>;
  using Bits = std::conditional_t<kSingle, std::uint32_t, std::uint64_t>;
  constexpr int kDigits = kSingle ? 23 : 52;
  constexpr A kLimit = kSingle ? 80 : 700;
  constexpr A kRounding = 3 * static_cast<A>(std::uint64_t{1} << (kDigits - 1));
  // The higher digits of ln 2 end in zeros, so that n times them is exact.
  constexpr A kHigh = kSingle ? static_cast<A>(0x1.62e4p-1) : static_cast<A>(0x1.62e42fefap-1),
              kLow = static_cast<A>(0x1.62e42fefa39ef35793c7673007e5ep-1L -
                                    static_cast<long double>(kHigh));
  x = x < -kLimit ? -kLimit : x;
  x = x > kLimit ? kLimit : x;
  const A rounded = x * static_cast<A>(1.4426950408889634) + kRounding, n = rounded - kRounding;
  const A r = x - n * kHigh - n * kLow;
  constexpr int kDegree = kSingle ? 7 : 13;
  constexpr std::array<A, kDegree + 1> kSeries = exponential_series<A, kDegree>();
  A series = kSeries[kDegree];
  for (std::size_t k = kDegree; k-- > 0;) series = series * r + kSeries[k];
  return std::bit_cast<A>(std::bit_cast<Bits>(series) + (std::bit_cast<Bits>(rounded) << kDigits));
}

}  // namespace vae_dist::kernels
