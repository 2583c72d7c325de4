// What the loops of our own convolutions multiply, made from images and weights of fp32 or
// bfloat16: values of fp32, or pairs of bfloat16.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <type_traits>

namespace vae_dist::kernels {

/// Two neighbours along the axis that is summed, which one instruction (AVX512_BF16) multiplies by
/// two others.
struct Pair {
  c10::BFloat16 first, second;
};

/// Values in a unit.
template <typename Unit>
inline constexpr std::int64_t kValuesOf = std::is_same_v<Unit, Pair> ? 2 : 1;

template <typename Unit>
constexpr std::int64_t units_for(std::int64_t values) {
  return (values + kValuesOf<Unit> - 1) / kValuesOf<Unit>;
}

/// Rows of values with a constant distance. Those before `from` and from `past` on are zero.
template <typename Stored>
struct Rows {
  const Stored* first;
  std::int64_t distance, count, from, past;
};

// Stored and Unit: float and float, BFloat16 and float, BFloat16 and Pair.

/// Makes units of neighbouring rows: to[u * stride + c], c < `used`, are the values c of the rows
/// that unit u joins, with zeros up to c < `width`, and for a row that is not there.
template <typename Stored, typename Unit>
void join_rows(const Rows<Stored>& rows, std::int64_t used, std::int64_t width, std::int64_t stride,
               Unit* to);

/// Makes units of the neighbours within each of `rows` rows of `values` values, one after the
/// other; a last one of an odd number is joined with zero.
template <typename Stored, typename Unit>
void join_neighbours(const Stored* from, std::int64_t rows, std::int64_t values, Unit* to);

/// Rounds sums where they are stored: to[r][offset + c] = from[r * width + c], c < used.
template <typename Stored>
void store_rows(const float* from, std::int64_t width, std::int64_t rows, std::int64_t used,
                Stored* const* to, std::int64_t offset);

}  // namespace vae_dist::kernels
