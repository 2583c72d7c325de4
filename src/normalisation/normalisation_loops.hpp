// The loops of normalisation layers over images in channels_last: statistics of the channels, the
// affine map with the activation behind it, and their gradients.
//
// An array x holds `rows` rows, each with the `channels` values of one pixel. All other arrays hold
// one number per channel: float for rows of float or BFloat16, double for double. The sums of a
// channel are added row by row, so their bits do not depend on the instruction set's width.
#pragma once

#include <ATen/OpMathType.h>
#include <c10/util/BFloat16.h>

#include <cstdint>
#include <limits>

namespace vae_dist::normalisation {

/// LeakyReLU; with a slope of 0 ReLU, with 1 no activation.
struct Rectifier {
  double slope;
};

/// z * sigmoid(z) (Hendrycks, Gimpel 2016; Elfwing et al. 2018).
struct Silu {};

template <typename T>
using Sums = at::opmath_type<T>;

/// Adds to `sum` the distances of the values from `shift`, and to `squares` their squares. Squares
/// about a value near the mean lose no digits.
template <typename T>
void add_moments(const T* x, std::int64_t rows, std::int64_t channels, const Sums<T>* shift,
                 Sums<T>* sum, Sums<T>* squares);

/// y = activation(x * scale + offset)
template <typename T, typename Activation>
void normalise(const T* x, std::int64_t rows, std::int64_t channels, const Sums<T>* scale,
               const Sums<T>* offset, Activation activation, T* y);

/// Adds to `sum` dz, the gradient before the activation, and to `products` dz * (x - mean). Writes
/// dz to `kept` if keeps_gradient<T, Activation>.
template <typename T, typename Activation>
void add_gradients(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,
                   const Sums<T>* scale, const Sums<T>* offset, const Sums<T>* mean,
                   Activation activation, Sums<T>* sum, Sums<T>* products, T* kept = nullptr);

/// Whether it is worth keeping dz rather than computing it again: an exponential and a division
/// cost more than writing and reading a number, a comparison does not. In bfloat16 dz would be
/// rounded.
template <typename T, typename Activation>
inline constexpr bool keeps_gradient = false;
template <>
inline constexpr bool keeps_gradient<float, Silu> = true;
template <>
inline constexpr bool keeps_gradient<double, Silu> = true;

/// dx = scale * dz - constant - (x - mean) * factor. dx may be dy.
template <typename T, typename Activation>
void input_gradient(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,
                    const Sums<T>* scale, const Sums<T>* offset, const Sums<T>* mean,
                    const Sums<T>* constant, const Sums<T>* factor, Activation activation, T* dx);

/// Returns `number`, or the usual NaN for any NaN. Numbers per channel must have gone through it
/// before rows of BFloat16 are computed with them: only NaNs whose lower half is zero stay NaNs
/// when they are rounded.
template <typename A>
A without_payload(A number) {
  return number == number ? number : std::numeric_limits<A>::quiet_NaN();
}

/// The number of rows whose sums are accumulated in the type of the arrays. Totals over more rows
/// are kept in fp64.
inline constexpr std::int64_t kRowsOfASum = 64;

/// Returns how many rows of `channels` values are a thread's unit of work. It does not depend on
/// the number of threads.
std::int64_t rows_in_a_block(std::int64_t channels);

/// Adds sums over `rows` rows to total[2 * channels]. add(first row, rows, sum, other) adds those
/// of a few rows to its outputs, which hold one number per channel.
template <typename A, typename Add>
void add_two_sums(std::int64_t rows, std::int64_t channels, const Add& add, double* total);

}  // namespace vae_dist::normalisation

#include <algorithm>
#include <vector>

template <typename A, typename Add>
void vae_dist::normalisation::add_two_sums(std::int64_t rows, std::int64_t channels, const Add& add,
                                           double* total) {
  std::vector<A> some(static_cast<std::size_t>(2 * channels));
  for (std::int64_t r = 0; r < rows; r += kRowsOfASum) {
    std::fill(some.begin(), some.end(), A(0));
    add(r, std::min(kRowsOfASum, rows - r), some.data(), some.data() + channels);
    for (std::int64_t i = 0; i < 2 * channels; ++i)
      total[i] += static_cast<double>(some[static_cast<std::size_t>(i)]);
  }
}
