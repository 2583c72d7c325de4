#include "kernels/convolution_units.hpp"

#include <algorithm>
#include <bit>

#include "kernels/bfloat16_rounding.hpp"
#include "kernels/cloned.hpp"

namespace vae_dist::kernels {
namespace {

using c10::BFloat16;
using std::int64_t;

VAE_DIST_INLINED float widened(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.x) << 16);
}
VAE_DIST_INLINED float widened(float value) { return value; }

template <typename Stored>
VAE_DIST_INLINED void join(const Stored* one, const Stored*, int64_t count, float* to) {
  for (int64_t c = 0; c < count; ++c) to[c] = one ? widened(one[c]) : 0;
}
// A null row is zero.
VAE_DIST_INLINED void join(const BFloat16* one, const BFloat16* other, int64_t count, Pair* to) {
  using Word [[gnu::may_alias]] = std::uint32_t;
  auto* const words = reinterpret_cast<Word*>(to);
  if (one && other)
    for (int64_t c = 0; c < count; ++c)
      words[c] = one[c].x | static_cast<std::uint32_t>(other[c].x) << 16;
  else
    for (int64_t c = 0; c < count; ++c)
      words[c] = one ? one[c].x : (other ? static_cast<std::uint32_t>(other[c].x) << 16 : 0);
}

template <typename Stored, typename Unit>
VAE_DIST_INLINED void join_all(const Rows<Stored>& rows, int64_t used, int64_t width,
                               int64_t stride, Unit* to) {
  const auto row = [&](int64_t i) {
    return i >= rows.from && i < rows.past ? rows.first + i * rows.distance : nullptr;
  };
  for (int64_t i = 0; i < rows.count; i += kValuesOf<Unit>, to += stride) {
    join(row(i), row(i + 1), used, to);
    for (int64_t c = used; c < width; ++c) to[c] = Unit{};
  }
}

template <typename Stored>
VAE_DIST_INLINED void join_within(const Stored* from, int64_t rows, int64_t values, float* to) {
  for (int64_t i = 0; i < rows * values; ++i) to[i] = widened(from[i]);
}
VAE_DIST_INLINED void join_within(const BFloat16* from, int64_t rows, int64_t values, Pair* to) {
  for (int64_t r = 0; r < rows; ++r, from += values)
    for (int64_t c = 0; c < values; c += 2)
      *to++ = {from[c], c + 1 < values ? from[c + 1] : BFloat16(0, BFloat16::from_bits())};
}

template <typename Stored>
VAE_DIST_INLINED void store_all(const float* from, int64_t width, int64_t rows, int64_t used,
                                Stored* const* to, int64_t offset) {
  for (int64_t r = 0; r < rows; ++r, from += width) {
    Stored* const row = to[r] + offset;
    for (int64_t c = 0; c < used; ++c)
      if constexpr (std::is_same_v<Stored, float>)
        row[c] = from[c];
      else
        row[c] = rounded(from[c]);
  }
}

#define VAE_DIST_JOIN(Name, Stored, Unit)                                                \
  VAE_DIST_VERSIONS(                                                                     \
      join_rows_##Name,                                                                  \
      (const Rows<Stored>& rows, int64_t used, int64_t width, int64_t stride, Unit* to), \
      (rows, used, width, stride, to), join_all)                                         \
  VAE_DIST_VERSIONS(join_within_##Name,                                                  \
                    (const Stored* from, int64_t rows, int64_t values, Unit* to),        \
                    (from, rows, values, to), join_within)
VAE_DIST_JOIN(floats, float, float)
VAE_DIST_JOIN(wide, BFloat16, float)
VAE_DIST_JOIN(pairs, BFloat16, Pair)

VAE_DIST_VERSIONS(store_floats,
                  (const float* from, int64_t width, int64_t rows, int64_t used, float* const* to,
                   int64_t offset),
                  (from, width, rows, used, to, offset), store_all)
VAE_DIST_VERSIONS(store_rounded,
                  (const float* from, int64_t width, int64_t rows, int64_t used,
                   BFloat16* const* to, int64_t offset),
                  (from, width, rows, used, to, offset), store_all)

}  // namespace

#define VAE_DIST_JOINS(Name, Stored, Unit)                                              \
  template <>                                                                           \
  void join_rows(const Rows<Stored>& rows, int64_t used, int64_t width, int64_t stride, \
                 Unit* to) {                                                            \
    join_rows_##Name(rows, used, width, stride, to);                                    \
  }                                                                                     \
  template <>                                                                           \
  void join_neighbours(const Stored* from, int64_t rows, int64_t values, Unit* to) {    \
    join_within_##Name(from, rows, values, to);                                         \
  }
VAE_DIST_JOINS(floats, float, float)
VAE_DIST_JOINS(wide, BFloat16, float)
VAE_DIST_JOINS(pairs, BFloat16, Pair)

template <>
void store_rows(const float* from, int64_t width, int64_t rows, int64_t used, float* const* to,
                int64_t offset) {
  store_floats(from, width, rows, used, to, offset);
}
template <>
void store_rows(const float* from, int64_t width, int64_t rows, int64_t used, BFloat16* const* to,
                int64_t offset) {
  store_rounded(from, width, rows, used, to, offset);
}

}  // namespace vae_dist::kernels
