#include "kernels/trial_convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace vae_dist::kernels {

TrialConvolution::TrialConvolution(const ConvolutionShape& shape, at::ScalarType type)
    : shape_(shape) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(20260);
  const auto drawn = [&](std::vector<std::int64_t> sizes) {
    return at::randn(sizes, generator, type).contiguous(at::MemoryFormat::ChannelsLast);
  };
  x_ = drawn({shape.batch, shape.in_channels, shape.in_height, shape.in_width});
  dy_ = drawn({shape.batch, shape.out_channels, shape.out_height(), shape.out_width()});
  const bool transposed = shape.geometry.transposed;
  weight_ =
      drawn({transposed ? shape.in_channels : shape.out_channels,
             transposed ? shape.out_channels : shape.in_channels, shape.kernel, shape.kernel});
}

std::function<at::Tensor()> TrialConvolution::prepared(ConvolutionDirection direction,
                                                       ConvolutionWay way,
                                                       const Convolve& convolve) const {
  ConvolutionWays ways;
  ways.of(direction) = way;
  if (direction == ConvolutionDirection::forward)
    return [this, ways, convolve] {
      const at::NoGradGuard no_grad;
      return convolve(x_, weight_, {}, shape_.geometry, ways);
    };
  const bool of_input = direction == ConvolutionDirection::input_gradient;
  const at::Tensor leaf = (of_input ? x_ : weight_).detach().requires_grad_();
  const at::Tensor y =
      convolve(of_input ? leaf : x_, of_input ? weight_ : leaf, {}, shape_.geometry, ways);
  return [this, leaf, y] {
    return torch::autograd::grad({y}, {leaf}, {dy_}, /*retain_graph=*/true)[0];
  };
}

ConvolutionShape with_part_of_the_batch(ConvolutionShape shape, double part) {
  shape.batch =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(part * static_cast<double>(shape.batch)));
  return shape;
}

}  // namespace vae_dist::kernels
