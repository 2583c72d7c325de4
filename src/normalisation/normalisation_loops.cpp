#include "normalisation/normalisation_loops.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "kernels/bfloat16_rounding.hpp"
#include "kernels/cloned.hpp"
#include "kernels/exponential.hpp"

namespace vae_dist::normalisation {
namespace {

using c10::BFloat16;

constexpr std::int64_t kBlockValues = 1 << 16;

// The widest vector of any version, in values; and the longest line of joined rows.
constexpr std::int64_t kVector = 32, kLongestLine = 1024;

template <typename A>
VAE_DIST_INLINED A activated(A z, Rectifier rectifier) {
  return z > 0 ? z : z * static_cast<A>(rectifier.slope);
}
template <typename A>
VAE_DIST_INLINED A activated(A z, Silu) {
  return z / (1 + kernels::exponential(-z));
}

// The gradient before the activation, for that of its output.
template <typename A>
VAE_DIST_INLINED A gradient_before(A dy, A z, Rectifier rectifier) {
  return z > 0 ? dy : dy * static_cast<A>(rectifier.slope);
}
template <typename A>
VAE_DIST_INLINED A gradient_before(A dy, A z, Silu) {
  const A sigmoid = 1 / (1 + kernels::exponential(-z));
  return dy * sigmoid * (1 + z * (1 - sigmoid));
}

// Rounds to T. No NaN here has a lower half: values of x and dy have none, the CPU's own is
// 0xffc00000, the others are passed on, and numbers per channel went through without_payload().
template <typename T, typename A>
VAE_DIST_INLINED T stored(A value) {
  if constexpr (std::is_same_v<T, BFloat16>)
    return kernels::rounded(value);
  else
    return value;
}

// A row of one or two cache lines is so short that the chain of additions from row to row limits
// the speed if it goes through memory. Then the sums of kTile channels stay in registers. Each sum
// consists of the same additions in the same order.
constexpr std::int64_t kTile = 32;

template <typename T>
bool has_short_rows(std::int64_t channels) {
  return channels % kTile == 0 && channels * static_cast<std::int64_t>(sizeof(T)) <= 128;
}

template <typename T, typename A = Sums<T>>
VAE_DIST_INLINED void moments_loop(const T* __restrict x, std::int64_t rows, std::int64_t channels,
                                   const A* __restrict shift, A* __restrict sum,
                                   A* __restrict squares) {
  if (!has_short_rows<T>(channels)) {
    for (std::int64_t r = 0; r < rows; ++r, x += channels)
      for (std::int64_t c = 0; c < channels; ++c) {
        const A d = static_cast<A>(x[c]) - shift[c];
        sum[c] += d;
        squares[c] += d * d;
      }
    return;
  }
  for (std::int64_t first = 0; first < channels; first += kTile) {
    A s[kTile], q[kTile], about[kTile];
    for (std::int64_t c = 0; c < kTile; ++c) {
      s[c] = sum[first + c];
      q[c] = squares[first + c];
      about[c] = shift[first + c];
    }
    const T* row = x + first;
    for (std::int64_t r = 0; r < rows; ++r, row += channels)
      for (std::int64_t c = 0; c < kTile; ++c) {
        const A d = static_cast<A>(row[c]) - about[c];
        s[c] += d;
        q[c] += d * d;
      }
    for (std::int64_t c = 0; c < kTile; ++c) {
      sum[first + c] = s[c];
      squares[first + c] = q[c];
    }
  }
}

template <typename T, typename Activation, typename A = Sums<T>>
VAE_DIST_INLINED void gradients_loop(const T* __restrict dy, const T* __restrict x,
                                     std::int64_t rows, std::int64_t channels,
                                     const A* __restrict scale, const A* __restrict offset,
                                     const A* __restrict mean, Activation activation,
                                     A* __restrict sum, A* __restrict products,
                                     T* __restrict kept) {
  constexpr bool kKeeps = keeps_gradient<T, Activation>;
  if (!has_short_rows<T>(channels)) {
    for (std::int64_t r = 0; r < rows; ++r, x += channels, dy += channels) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const A value = static_cast<A>(x[c]);
        const A dz =
            gradient_before(static_cast<A>(dy[c]), value * scale[c] + offset[c], activation);
        sum[c] += dz;
        products[c] += dz * (value - mean[c]);
        if constexpr (kKeeps) kept[c] = dz;
      }
      if constexpr (kKeeps) kept += channels;
    }
    return;
  }
  for (std::int64_t first = 0; first < channels; first += kTile) {
    A s[kTile], p[kTile];
    for (std::int64_t c = 0; c < kTile; ++c) {
      s[c] = sum[first + c];
      p[c] = products[first + c];
    }
    const T *row = x + first, *gradient = dy + first;
    T* place = kKeeps ? kept + first : nullptr;
    for (std::int64_t r = 0; r < rows; ++r, row += channels, gradient += channels) {
      for (std::int64_t c = 0; c < kTile; ++c) {
        const A value = static_cast<A>(row[c]);
        const A dz = gradient_before(static_cast<A>(gradient[c]),
                                     value * scale[first + c] + offset[first + c], activation);
        s[c] += dz;
        p[c] += dz * (value - mean[first + c]);
        if constexpr (kKeeps) place[c] = dz;
      }
      if constexpr (kKeeps) place += channels;
    }
    for (std::int64_t c = 0; c < kTile; ++c) {
      sum[first + c] = s[c];
      products[first + c] = p[c];
    }
  }
}

// How many rows to join into one line, so that loops over a line consist of whole vectors: what is
// left over is computed value by value, which in bf16 was 30 times slower.
VAE_DIST_INLINED std::int64_t rows_of_a_line(std::int64_t channels) {
  const std::int64_t rows = kVector / std::gcd(kVector, channels);
  return rows * channels <= kLongestLine ? rows : 1;
}

// A number per channel, repeated for each row of a line.
template <typename A>
struct Line {
  A values[kLongestLine];

  Line(const A* of_channels, std::int64_t channels, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(of_channels, channels, values + r * channels);
  }
};

template <typename T, typename Activation, typename A = Sums<T>>
VAE_DIST_INLINED void normalise_rows(const T* __restrict x, std::int64_t rows,
                                     std::int64_t channels, const A* __restrict scale,
                                     const A* __restrict offset, Activation activation,
                                     T* __restrict y) {
  for (std::int64_t r = 0; r < rows; ++r, x += channels, y += channels)
    for (std::int64_t c = 0; c < channels; ++c)
      y[c] = stored<T>(activated(static_cast<A>(x[c]) * scale[c] + offset[c], activation));
}

template <typename T, typename Activation, typename A = Sums<T>>
VAE_DIST_INLINED void normalise_loop(const T* x, std::int64_t rows, std::int64_t channels,
                                     const A* scale, const A* offset, Activation activation, T* y) {
  const std::int64_t joined = rows_of_a_line(channels), lines = joined == 1 ? 0 : rows / joined,
                     done = lines * joined;
  if (lines > 0)
    normalise_rows(x, lines, joined * channels, Line<A>(scale, channels, joined).values,
                   Line<A>(offset, channels, joined).values, activation, y);
  normalise_rows(x + done * channels, rows - done, channels, scale, offset, activation,
                 y + done * channels);
}

template <typename T, typename Activation, typename A = Sums<T>>
VAE_DIST_INLINED void input_gradient_rows(const T* dy, const T* __restrict x, std::int64_t rows,
                                          std::int64_t channels, const A* __restrict scale,
                                          const A* __restrict offset, const A* __restrict mean,
                                          const A* __restrict constant, const A* __restrict factor,
                                          Activation activation, T* dx) {
  for (std::int64_t r = 0; r < rows; ++r, x += channels, dy += channels, dx += channels)
  // dy may be dx, but no other values of it.
#pragma GCC ivdep
    for (std::int64_t c = 0; c < channels; ++c) {
      const A value = static_cast<A>(x[c]);
      const A dz = gradient_before(static_cast<A>(dy[c]), value * scale[c] + offset[c], activation);
      dx[c] = stored<T>(scale[c] * dz - constant[c] - (value - mean[c]) * factor[c]);
    }
}

template <typename T, typename Activation, typename A = Sums<T>>
VAE_DIST_INLINED void input_gradient_loop(const T* dy, const T* x, std::int64_t rows,
                                          std::int64_t channels, const A* scale, const A* offset,
                                          const A* mean, const A* constant, const A* factor,
                                          Activation activation, T* dx) {
  const std::int64_t joined = rows_of_a_line(channels), lines = joined == 1 ? 0 : rows / joined,
                     done = lines * joined, at = done * channels;
  if (lines > 0)
    input_gradient_rows(dy, x, lines, joined * channels, Line<A>(scale, channels, joined).values,
                        Line<A>(offset, channels, joined).values,
                        Line<A>(mean, channels, joined).values,
                        Line<A>(constant, channels, joined).values,
                        Line<A>(factor, channels, joined).values, activation, dx);
  input_gradient_rows(dy + at, x + at, rows - done, channels, scale, offset, mean, constant, factor,
                      activation, dx + at);
}

// NOLINTBEGIN(bugprone-macro-parentheses, readability-non-const-parameter): the arguments are types
#define VAE_DIST_FOR_TYPE(T, A)                                                                   \
  VAE_DIST_VERSIONS(                                                                              \
      moments_of,                                                                                 \
      (const T* x, std::int64_t rows, std::int64_t channels, const A* shift, A* sum, A* squares), \
      (x, rows, channels, shift, sum, squares), moments_loop)
VAE_DIST_FOR_TYPE(double, double)
VAE_DIST_FOR_TYPE(float, float)
VAE_DIST_FOR_TYPE(BFloat16, float)
#undef VAE_DIST_FOR_TYPE

#define VAE_DIST_FOR_TYPES(T, A, Activation)                                                      \
  VAE_DIST_VERSIONS(normalised,                                                                   \
                    (const T* x, std::int64_t rows, std::int64_t channels, const A* scale,        \
                     const A* offset, Activation activation, T* y),                               \
                    (x, rows, channels, scale, offset, activation, y), normalise_loop)            \
  VAE_DIST_VERSIONS(                                                                              \
      gradients_of,                                                                               \
      (const T* dy, const T* x, std::int64_t rows, std::int64_t channels, const A* scale,         \
       const A* offset, const A* mean, Activation activation, A* sum, A* products, T* kept),      \
      (dy, x, rows, channels, scale, offset, mean, activation, sum, products, kept),              \
      gradients_loop)                                                                             \
  VAE_DIST_VERSIONS(                                                                              \
      input_gradient_of,                                                                          \
      (const T* dy, const T* x, std::int64_t rows, std::int64_t channels, const A* scale,         \
       const A* offset, const A* mean, const A* constant, const A* factor, Activation activation, \
       T* dx),                                                                                    \
      (dy, x, rows, channels, scale, offset, mean, constant, factor, activation, dx),             \
      input_gradient_loop)
VAE_DIST_FOR_TYPES(double, double, Rectifier)
VAE_DIST_FOR_TYPES(float, float, Rectifier)
VAE_DIST_FOR_TYPES(BFloat16, float, Rectifier)
VAE_DIST_FOR_TYPES(double, double, Silu)
VAE_DIST_FOR_TYPES(float, float, Silu)
VAE_DIST_FOR_TYPES(BFloat16, float, Silu)
#undef VAE_DIST_FOR_TYPES

}  // namespace

std::int64_t rows_in_a_block(std::int64_t channels) {
  return std::max(kRowsOfASum, kBlockValues / channels / kRowsOfASum * kRowsOfASum);
}

template <typename T>
void add_moments(const T* x, std::int64_t rows, std::int64_t channels, const Sums<T>* shift,
                 Sums<T>* sum, Sums<T>* squares) {
  moments_of(x, rows, channels, shift, sum, squares);
}

template <typename T, typename Activation>
void normalise(const T* x, std::int64_t rows, std::int64_t channels, const Sums<T>* scale,
               const Sums<T>* offset, Activation activation, T* y) {
  normalised(x, rows, channels, scale, offset, activation, y);
}

template <typename T, typename Activation>
void add_gradients(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,
                   const Sums<T>* scale, const Sums<T>* offset, const Sums<T>* mean,
                   Activation activation, Sums<T>* sum, Sums<T>* products, T* kept) {
  gradients_of(dy, x, rows, channels, scale, offset, mean, activation, sum, products, kept);
}

template <typename T, typename Activation>
void input_gradient(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,
                    const Sums<T>* scale, const Sums<T>* offset, const Sums<T>* mean,
                    const Sums<T>* constant, const Sums<T>* factor, Activation activation, T* dx) {
  input_gradient_of(dy, x, rows, channels, scale, offset, mean, constant, factor, activation, dx);
}

#define VAE_DIST_FOR_TYPE(T)                                                                \
  template void add_moments(const T*, std::int64_t, std::int64_t, const Sums<T>*, Sums<T>*, \
                            Sums<T>*);
VAE_DIST_FOR_TYPE(double)
VAE_DIST_FOR_TYPE(float)
VAE_DIST_FOR_TYPE(BFloat16)
#undef VAE_DIST_FOR_TYPE
#define VAE_DIST_FOR_TYPES(T, Activation)                                                          \
  template void normalise(const T*, std::int64_t, std::int64_t, const Sums<T>*, const Sums<T>*,    \
                          Activation, T*);                                                         \
  template void add_gradients(const T*, const T*, std::int64_t, std::int64_t, const Sums<T>*,      \
                              const Sums<T>*, const Sums<T>*, Activation, Sums<T>*, Sums<T>*, T*); \
  template void input_gradient(const T*, const T*, std::int64_t, std::int64_t, const Sums<T>*,     \
                               const Sums<T>*, const Sums<T>*, const Sums<T>*, const Sums<T>*,     \
                               Activation, T*);
VAE_DIST_FOR_TYPES(double, Rectifier)
VAE_DIST_FOR_TYPES(float, Rectifier)
VAE_DIST_FOR_TYPES(BFloat16, Rectifier)
VAE_DIST_FOR_TYPES(double, Silu)
VAE_DIST_FOR_TYPES(float, Silu)
VAE_DIST_FOR_TYPES(BFloat16, Silu)
#undef VAE_DIST_FOR_TYPES
// NOLINTEND(bugprone-macro-parentheses, readability-non-const-parameter)

}  // namespace vae_dist::normalisation
