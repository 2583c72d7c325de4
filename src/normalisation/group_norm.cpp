#include "normalisation/group_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace vae_dist::normalisation {
namespace {

using c10::BFloat16;

struct Shape {
  std::int64_t samples, channels, positions, groups;

  std::int64_t channels_of_a_group() const { return channels / groups; }
  std::int64_t in_a_block() const { return rows_in_a_block(channels); }
  std::int64_t blocks() const { return (positions + in_a_block() - 1) / in_a_block(); }
};

Shape shape_of(const at::Tensor& x, std::int64_t groups) {
  return {x.size(0), x.size(1), x.size(2) * x.size(3), groups};
}

// A part of a sample that one thread works on.
struct Block {
  std::int64_t sample, index, first, positions;  // first: a row of the whole batch
};

Block block_of(const Shape& shape, std::int64_t sample, std::int64_t index) {
  const std::int64_t first = index * shape.in_a_block();
  return {sample, index, sample * shape.positions + first,
          std::min(shape.in_a_block(), shape.positions - first)};
}

// Calls sum(block) for all blocks of a sample, then finish(sample), then apply(block) for all its
// blocks, on the threads of LibTorch. With fewer samples than threads, threads share samples.
template <typename Sum, typename Finish, typename Apply>
void in_two_passes(const Shape& shape, const Sum& sum, const Finish& finish, const Apply& apply) {
  if (shape.samples >= at::get_num_threads()) {
    at::parallel_for(0, shape.samples, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t sample = begin; sample < end; ++sample) {
        for (std::int64_t i = 0; i < shape.blocks(); ++i) sum(block_of(shape, sample, i));
        finish(sample);
        for (std::int64_t i = 0; i < shape.blocks(); ++i) apply(block_of(shape, sample, i));
      }
    });
    return;
  }
  const auto for_all_blocks = [&](const auto& work) {
    at::parallel_for(0, shape.samples * shape.blocks(), 1,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t i = begin; i < end; ++i)
                         work(block_of(shape, i / shape.blocks(), i % shape.blocks()));
                     });
  };
  for_all_blocks(sum);
  for (std::int64_t sample = 0; sample < shape.samples; ++sample) finish(sample);
  for_all_blocks(apply);
}

// Two sums per channel, of each block of each sample.
class BlockSums {
 public:
  explicit BlockSums(const Shape& shape)
      : shape_(shape),
        values_(static_cast<std::size_t>(shape.samples * shape.blocks() * 2 * shape.channels)) {}

  double* of(const Block& block) { return at(block.sample, block.index); }

  // Adds up the blocks of a sample, in their order: [2 * channels].
  std::vector<double> of_sample(std::int64_t sample) {
    std::vector<double> sums(static_cast<std::size_t>(2 * shape_.channels));
    for (std::int64_t block = 0; block < shape_.blocks(); ++block)
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += at(sample, block)[i];
    return sums;
  }

 private:
  double* at(std::int64_t sample, std::int64_t block) {
    return values_.data() + (sample * shape_.blocks() + block) * 2 * shape_.channels;
  }

  const Shape shape_;
  std::vector<double> values_;
};

// One number per sample and channel.
template <typename A>
class PerChannel {
 public:
  explicit PerChannel(const Shape& shape)
      : channels_(shape.channels),
        values_(static_cast<std::size_t>(shape.samples * shape.channels)) {}

  A* of(std::int64_t sample) { return values_.data() + sample * channels_; }

 private:
  std::int64_t channels_;
  std::vector<A> values_;
};

// The affine form x * scale + offset of each sample: scale is weight * inverse_deviation, and the
// mean is mapped to the bias.
template <typename A>
struct Affine {
  PerChannel<A> scale, offset;

  explicit Affine(const Shape& shape) : scale(shape), offset(shape) {}

  void set(const Shape& shape, std::int64_t sample, const A* weight, const A* bias, const A* mean,
           const A* inverse_deviation) {
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const std::int64_t group = sample * shape.groups + c / shape.channels_of_a_group();
      scale.of(sample)[c] = without_payload(weight[c] * inverse_deviation[group]);
      offset.of(sample)[c] = without_payload(bias[c] - mean[group] * scale.of(sample)[c]);
    }
  }
};

template <typename T, typename Activation>
GroupNormOutput forward(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                        const at::Tensor& bias, double epsilon, Activation activation) {
  using A = Sums<T>;
  const Shape shape = shape_of(x, groups);
  GroupNormOutput out{at::empty_like(x), at::empty({shape.samples, groups}, weight.options()),
                      at::empty({shape.samples, groups}, weight.options())};
  const T* const values = x.const_data_ptr<T>();
  const A *const weights = weight.const_data_ptr<A>(), *const biases = bias.const_data_ptr<A>();
  T* const y = out.y.mutable_data_ptr<T>();
  A *const mean = out.mean.mutable_data_ptr<A>(), *const inverse =
                                                      out.inverse_deviation.mutable_data_ptr<A>();

  // The values of a sample's first position.
  PerChannel<A> shift(shape);
  for (std::int64_t sample = 0; sample < shape.samples; ++sample)
    std::transform(values + sample * shape.positions * shape.channels,
                   values + (sample * shape.positions + 1) * shape.channels, shift.of(sample),
                   [](T value) { return static_cast<A>(value); });
  BlockSums sums(shape);
  Affine<A> affine(shape);

  const auto sum = [&](const Block& block) {
    add_two_sums<A>(
        block.positions, shape.channels,
        [&](std::int64_t row, std::int64_t rows, A* of_values, A* of_squares) {
          add_moments(values + (block.first + row) * shape.channels, rows, shape.channels,
                      shift.of(block.sample), of_values, of_squares);
        },
        sums.of(block));
  };
  // The squares about a group's mean are those about the means of its channels, and those of these
  // means.
  const auto finish = [&](std::int64_t sample) {
    const std::vector<double> of_sample = sums.of_sample(sample);
    const auto positions = static_cast<double>(shape.positions);
    const std::int64_t width = shape.channels_of_a_group();
    for (std::int64_t group = 0; group < groups; ++group) {
      std::vector<double> means;
      double mean_of_group = 0, squares = 0;
      for (std::int64_t c = group * width; c < (group + 1) * width; ++c) {
        const double shifted_mean = of_sample[static_cast<std::size_t>(c)] / positions;
        means.push_back(static_cast<double>(shift.of(sample)[c]) + shifted_mean);
        mean_of_group += means.back() / static_cast<double>(width);
        squares += of_sample[static_cast<std::size_t>(shape.channels + c)] -
                   positions * shifted_mean * shifted_mean;
      }
      for (const double of_channel : means)
        squares += positions * (of_channel - mean_of_group) * (of_channel - mean_of_group);
      const double variance = std::max(squares, 0.0) / (positions * static_cast<double>(width));
      mean[sample * groups + group] = static_cast<A>(mean_of_group);
      inverse[sample * groups + group] = static_cast<A>(1 / std::sqrt(variance + epsilon));
    }
    affine.set(shape, sample, weights, biases, mean, inverse);
  };
  const auto apply = [&](const Block& block) {
    const std::int64_t at = block.first * shape.channels;
    normalise(values + at, block.positions, shape.channels, affine.scale.of(block.sample),
              affine.offset.of(block.sample), activation, y + at);
  };
  in_two_passes(shape, sum, finish, apply);
  return out;
}

template <typename T, typename Activation>
GroupNormGradients backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& mean,
                            const at::Tensor& inverse_deviation, Activation activation) {
  using A = Sums<T>;
  const Shape shape = shape_of(x, mean.size(1));
  const T *const values = x.const_data_ptr<T>(), *const gradients = dy.const_data_ptr<T>();
  const A *const weights = weight.const_data_ptr<A>(), *const biases = bias.const_data_ptr<A>(),
                 *const means = mean.const_data_ptr<A>(),
                 *const inverse = inverse_deviation.const_data_ptr<A>();
  GroupNormGradients out{at::empty_like(x), at::empty_like(weight), at::empty_like(weight)};
  T* const dx = out.x.mutable_data_ptr<T>();

  Affine<A> affine(shape);
  PerChannel<A> mean_of_channel(shape), constant(shape), factor(shape);
  for (std::int64_t sample = 0; sample < shape.samples; ++sample) {
    affine.set(shape, sample, weights, biases, means, inverse);
    for (std::int64_t c = 0; c < shape.channels; ++c)
      mean_of_channel.of(sample)[c] =
          means[sample * shape.groups + c / shape.channels_of_a_group()];
  }
  BlockSums sums(shape);
  PerChannel<double> d_weight(shape), d_bias(shape);

  const auto sum = [&](const Block& block) {
    add_two_sums<A>(
        block.positions, shape.channels,
        [&](std::int64_t row, std::int64_t rows, A* of_gradients, A* of_products) {
          const std::int64_t at = (block.first + row) * shape.channels;
          add_gradients(gradients + at, values + at, rows, shape.channels,
                        affine.scale.of(block.sample), affine.offset.of(block.sample),
                        mean_of_channel.of(block.sample), activation, of_gradients, of_products,
                        dx + at);
        },
        sums.of(block));
  };
  const auto finish = [&](std::int64_t sample) {
    const std::vector<double> of_sample = sums.of_sample(sample);
    const std::int64_t width = shape.channels_of_a_group();
    const double count = static_cast<double>(shape.positions) * static_cast<double>(width);
    for (std::int64_t group = 0; group < shape.groups; ++group) {
      const auto deviation = static_cast<double>(inverse[sample * shape.groups + group]);
      double of_gradients = 0, of_products = 0;
      for (std::int64_t c = group * width; c < (group + 1) * width; ++c) {
        d_bias.of(sample)[c] = of_sample[static_cast<std::size_t>(c)];
        d_weight.of(sample)[c] =
            of_sample[static_cast<std::size_t>(shape.channels + c)] * deviation;
        of_gradients += static_cast<double>(weights[c]) * d_bias.of(sample)[c];
        of_products += static_cast<double>(weights[c]) * d_weight.of(sample)[c];
      }
      for (std::int64_t c = group * width; c < (group + 1) * width; ++c) {
        constant.of(sample)[c] = without_payload(static_cast<A>(deviation * of_gradients / count));
        factor.of(sample)[c] =
            without_payload(static_cast<A>(deviation * deviation * of_products / count));
      }
    }
  };
  const auto apply = [&](const Block& block) {
    const std::int64_t at = block.first * shape.channels;
    const auto from = [&](const T* before, auto act) {
      input_gradient(before + at, values + at, block.positions, shape.channels,
                     affine.scale.of(block.sample), affine.offset.of(block.sample),
                     mean_of_channel.of(block.sample), constant.of(block.sample),
                     factor.of(block.sample), act, dx + at);
    };
    if constexpr (keeps_gradient<T, Activation>) {
      from(dx, Rectifier{1});  // the sums have left the gradient before the activation there
    } else {
      from(gradients, activation);
    }
  };
  in_two_passes(shape, sum, finish, apply);

  for (std::int64_t c = 0; c < shape.channels; ++c) {
    double of_weight = 0, of_bias = 0;
    for (std::int64_t sample = 0; sample < shape.samples; ++sample) {
      of_weight += d_weight.of(sample)[c];
      of_bias += d_bias.of(sample)[c];
    }
    out.weight.mutable_data_ptr<A>()[c] = static_cast<A>(of_weight);
    out.bias.mutable_data_ptr<A>()[c] = static_cast<A>(of_bias);
  }
  return out;
}

// Calls compute with a value of x's element type.
template <typename Compute>
auto by_type(const at::Tensor& x, const Compute& compute) {
  if (x.scalar_type() == at::kDouble) return compute(double{});
  if (x.scalar_type() == at::kFloat) return compute(float{});
  return compute(BFloat16{});
}

}  // namespace

bool has_group_norm_kernel(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           std::int64_t groups) {
  const at::ScalarType type = x.scalar_type(),
                       wide = type == at::kDouble ? at::kDouble : at::kFloat;
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && x.size(1) % groups == 0 &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         (type == wide || type == at::kBFloat16) && weight.defined() && bias.defined() &&
         weight.scalar_type() == wide && bias.scalar_type() == wide;
}

GroupNormOutput group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                           const at::Tensor& bias, double epsilon, GroupNormActivation activation) {
  if (!has_group_norm_kernel(x, weight, bias, groups))
    throw std::invalid_argument("group_norm has no kernel for this tensor");
  return by_type(x, [&](auto value) {
    return std::visit(
        [&](auto act) { return forward<decltype(value)>(x, groups, weight, bias, epsilon, act); },
        activation);
  });
}

GroupNormGradients group_norm_backward(const at::Tensor& dy, const at::Tensor& x,
                                       const at::Tensor& weight, const at::Tensor& bias,
                                       const at::Tensor& mean, const at::Tensor& inverse_deviation,
                                       GroupNormActivation activation) {
  const at::Tensor gradients = dy.contiguous(at::MemoryFormat::ChannelsLast);
  return by_type(x, [&](auto value) {
    return std::visit(
        [&](auto act) {
          return backward<decltype(value)>(gradients, x, weight, bias, mean, inverse_deviation,
                                           act);
        },
        activation);
  });
}

}  // namespace vae_dist::normalisation
