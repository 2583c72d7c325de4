#include "normalisation/batch_norm_leaky_relu.hpp"

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "normalisation/normalisation_loops.hpp"

namespace vae_dist::normalisation {
namespace {

using c10::BFloat16;

struct Rows {
  std::int64_t count, channels;

  std::int64_t in_a_block() const { return rows_in_a_block(channels); }
  std::int64_t blocks() const { return (count + in_a_block() - 1) / in_a_block(); }
};

Rows rows_of(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1)}; }

// Calls work(block, first row, rows) for each block, on the threads of LibTorch. The blocks do not
// depend on the number of threads.
template <typename Work>
void for_each_block(const Rows& rows, const Work& work) {
  at::parallel_for(0, rows.blocks(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t first = block * rows.in_a_block();
      work(block, first, std::min(rows.in_a_block(), rows.count - first));
    }
  });
}

// Computes two sums per channel over all rows. add(first row, rows, sum[C], other sum[C]) adds the
// sums of a few rows to its outputs.
template <typename A, typename Add>
std::vector<double> two_sums(const Rows& rows, const Add& add) {
  const std::int64_t width = 2 * rows.channels;
  std::vector<double> of_blocks(static_cast<std::size_t>(rows.blocks() * width));
  for_each_block(rows, [&](std::int64_t block, std::int64_t first, std::int64_t count) {
    add_two_sums<A>(
        count, rows.channels,
        [&](std::int64_t row, std::int64_t some, A* sum, A* other) {
          add(first + row, some, sum, other);
        },
        of_blocks.data() + block * width);
  });
  std::vector<double> sums(static_cast<std::size_t>(width));
  for (std::int64_t block = 0; block < rows.blocks(); ++block)
    for (std::int64_t i = 0; i < width; ++i)
      sums[static_cast<std::size_t>(i)] += of_blocks[static_cast<std::size_t>(block * width + i)];
  return sums;
}

// The affine form x * scale + offset: scale is weight * inverse_deviation, and the mean is mapped
// to the bias.
template <typename A>
struct Affine {
  std::vector<A> scale, offset;

  Affine(const A* weight, const A* bias, const A* mean, const A* inverse_deviation,
         std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      scale.push_back(without_payload(weight[c] * inverse_deviation[c]));
      offset.push_back(without_payload(bias[c] - mean[c] * scale.back()));
    }
  }
};

template <typename T>
BatchNormOutput forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        double epsilon, double negative_slope) {
  using A = at::opmath_type<T>;
  const Rows rows = rows_of(x);
  const T* const values = x.const_data_ptr<T>();
  std::vector<A> shift;
  for (std::int64_t c = 0; c < rows.channels; ++c) shift.push_back(static_cast<A>(values[c]));
  const std::vector<double> sums = two_sums<A>(rows, [&](std::int64_t first, std::int64_t count,
                                                         A* sum, A* squares) {
    add_moments(values + first * rows.channels, count, rows.channels, shift.data(), sum, squares);
  });

  BatchNormOutput out{at::empty_like(x), at::empty_like(weight), at::empty_like(weight),
                      at::empty_like(weight)};
  A *const mean = out.mean.mutable_data_ptr<A>(),
           *const variance = out.variance.mutable_data_ptr<A>(),
           *const inverse = out.inverse_deviation.mutable_data_ptr<A>();
  const auto n = static_cast<double>(rows.count);
  for (std::int64_t c = 0; c < rows.channels; ++c) {
    const double shifted_mean = sums[static_cast<std::size_t>(c)] / n;
    const double squares = std::max(
        sums[static_cast<std::size_t>(rows.channels + c)] - n * shifted_mean * shifted_mean, 0.0);
    mean[c] =
        static_cast<A>(static_cast<double>(shift[static_cast<std::size_t>(c)]) + shifted_mean);
    variance[c] = static_cast<A>(squares / (n - 1));
    inverse[c] = static_cast<A>(1 / std::sqrt(squares / n + epsilon));
  }

  const Affine<A> affine(weight.const_data_ptr<A>(), bias.const_data_ptr<A>(), mean, inverse,
                         rows.channels);
  T* const y = out.y.mutable_data_ptr<T>();
  for_each_block(rows, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    normalise(values + first * rows.channels, count, rows.channels, affine.scale.data(),
              affine.offset.data(), Rectifier{negative_slope}, y + first * rows.channels);
  });
  return out;
}

template <typename T>
BatchNormGradients backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& mean,
                            const at::Tensor& inverse_deviation, double negative_slope) {
  using A = at::opmath_type<T>;
  const Rows rows = rows_of(x);
  const T *const values = x.const_data_ptr<T>(), *const gradients = dy.const_data_ptr<T>();
  const A *const means = mean.const_data_ptr<A>(), *const inverse =
                                                       inverse_deviation.const_data_ptr<A>();
  const Affine<A> affine(weight.const_data_ptr<A>(), bias.const_data_ptr<A>(), means, inverse,
                         rows.channels);
  const Rectifier rectifier{negative_slope};
  const std::vector<double> sums =
      two_sums<A>(rows, [&](std::int64_t first, std::int64_t count, A* sum, A* products) {
        add_gradients(gradients + first * rows.channels, values + first * rows.channels, count,
                      rows.channels, affine.scale.data(), affine.offset.data(), means, rectifier,
                      sum, products);
      });

  BatchNormGradients out{at::empty_like(x), at::empty_like(weight), at::empty_like(weight)};
  A *const d_weight = out.weight.mutable_data_ptr<A>(), *const d_bias =
                                                            out.bias.mutable_data_ptr<A>();
  std::vector<A> constant, factor;
  for (std::int64_t c = 0; c < rows.channels; ++c) {
    const double sum = sums[static_cast<std::size_t>(c)],
                 of_normalised = sums[static_cast<std::size_t>(rows.channels + c)] *
                                 static_cast<double>(inverse[c]);
    const double scale_of_mean = static_cast<double>(affine.scale[static_cast<std::size_t>(c)]) /
                                 static_cast<double>(rows.count);
    d_bias[c] = static_cast<A>(sum);
    d_weight[c] = static_cast<A>(of_normalised);
    constant.push_back(static_cast<A>(scale_of_mean * sum));
    factor.push_back(
        static_cast<A>(scale_of_mean * of_normalised * static_cast<double>(inverse[c])));
  }

  T* const dx = out.x.mutable_data_ptr<T>();
  for_each_block(rows, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    const std::int64_t at = first * rows.channels;
    input_gradient(gradients + at, values + at, count, rows.channels, affine.scale.data(),
                   affine.offset.data(), means, constant.data(), factor.data(), rectifier, dx + at);
  });
  return out;
}

}  // namespace

bool has_batch_norm_kernel(const at::Tensor& x, const at::Tensor& weight) {
  const at::ScalarType type = x.scalar_type(),
                       wide = type == at::kDouble ? at::kDouble : at::kFloat;
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         (type == wide || type == at::kBFloat16) && weight.scalar_type() == wide;
}

BatchNormOutput batch_norm_leaky_relu(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, double epsilon,
                                      double negative_slope) {
  if (!has_batch_norm_kernel(x, weight))
    throw std::invalid_argument("batch_norm_leaky_relu has no kernel for this tensor");
  const auto kernel = x.scalar_type() == at::kDouble  ? forward<double>
                      : x.scalar_type() == at::kFloat ? forward<float>
                                                      : forward<BFloat16>;
  return kernel(x, weight, bias, epsilon, negative_slope);
}

BatchNormGradients batch_norm_leaky_relu_backward(const at::Tensor& dy, const at::Tensor& x,
                                                  const at::Tensor& weight, const at::Tensor& bias,
                                                  const at::Tensor& mean,
                                                  const at::Tensor& inverse_deviation,
                                                  double negative_slope) {
  const auto kernel = x.scalar_type() == at::kDouble  ? backward<double>
                      : x.scalar_type() == at::kFloat ? backward<float>
                                                      : backward<BFloat16>;
  return kernel(dy.contiguous(at::MemoryFormat::ChannelsLast), x, weight, bias, mean,
                inverse_deviation, negative_slope);
}

}  // namespace vae_dist::normalisation
