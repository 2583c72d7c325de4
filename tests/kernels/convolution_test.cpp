#include "kernels/convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <vector>

#include "kernels/convolution_choice.hpp"
#include "kernels/convolution_phases.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {
namespace {

constexpr std::array kOwnWays = {ConvolutionWay::products, ConvolutionWay::direct};

at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kFloat);
}

// Not contiguous(), which leaves images of one channel as they are: in both formats.
at::Tensor channels_last(const at::Tensor& tensor) {
  return at::empty(tensor.sizes(), tensor.options().memory_format(at::MemoryFormat::ChannelsLast))
      .copy_(tensor);
}

ConvolutionShape shaped(const std::string& text) { return ConvolutionShape::parse(text); }

// What our networks have, and what they have not: other kernels, paddings and strides; channels
// that fill vectors and that do not, on either side; small and large images of odd and even sizes;
// more samples than a block has rows, and one.
const std::vector<std::string> kShapes = {
    "conv 3->32 k3 s2 p1, 5 x 16x16",
    "conv 1->32 k3 s2 p1, 9 x 7x7",
    "conv 32->3 k3 s1 p1, 3 x 17x12",
    "conv 16->1 k3 s1 p1, 2 x 9x9",
    "conv 64->4 k3 s1 p1, 9 x 3x4",
    "conv 32->64 k3 s2 p1, 3 x 19x18",
    "conv 48->40 k3 s2 p1, 21 x 8x8",
    "conv 70->33 k3 s2 p1, 9 x 2x3",
    "conv 256->130 k3 s2 p1, 70 x 2x2",
    "conv 24->17 k3 s1 p1, 4 x 11x5",
    "conv 20->70 k1 s1 p0, 3 x 10x10",
    "conv 5->7 k1 s1 p0, 11 x 3x1",
    "conv 8->9 k2 s3 p0, 3 x 10x11",
    "conv 6->5 k5 s1 p3, 2 x 6x9",
    "conv 40->40 k4 s2 p1, 10 x 4x4",
    "conv 300->40 k3 s1 p1, 2 x 12x12",
    "transposed 512->64 k3 s2 p1 o1x1, 9 x 2x2",
    "transposed 64->32 k3 s2 p1 o1x0, 3 x 9x10",
    "transposed 32->32 k3 s2 p1 o1x1, 2 x 16x16",
    "transposed 33->20 k3 s2 p1 o0x0, 17 x 4x5",
    "transposed 40->3 k3 s2 p1 o1x1, 3 x 6x6",
    "transposed 4->40 k3 s2 p1 o1x1, 12 x 3x3",
    "transposed 9->18 k2 s3 p0 o1x2, 2 x 5x4",
    "transposed 16->16 k4 s1 p2 o0x0, 8 x 8x8",
    "transposed 16->16 k3 s2 p1 o1x1, 1 x 1x1",
};

// The tensors of a layer and the gradient of its output.
struct Layer {
  ConvolutionShape shape;
  at::Tensor x, weight, bias, dy;
};

Layer make_layer(const std::string& text, bool with_bias) {
  const ConvolutionShape shape = shaped(text);
  const std::int64_t first = shape.geometry.transposed ? shape.in_channels : shape.out_channels,
                     second = shape.geometry.transposed ? shape.out_channels : shape.in_channels;
  return {
      shape,
      channels_last(random({shape.batch, shape.in_channels, shape.in_height, shape.in_width}, 1)),
      channels_last(random({first, second, shape.kernel, shape.kernel}, 2)),
      with_bias ? random({shape.out_channels}, 3) : at::Tensor(),
      // Not contiguous in any format: every second column of something larger.
      random({shape.batch, shape.out_height(), shape.out_channels, 2 * shape.out_width()}, 4)
          .permute({0, 2, 1, 3})
          .slice(3, 0, std::nullopt, 2)};
}

struct Outcome {
  at::Tensor y, dx, d_weight, d_bias;
};

template <typename Convolve>
Outcome outcome(const Layer& layer, at::ScalarType type, const Convolve& convolve) {
  const auto leaf = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(type).detach().clone().requires_grad_() : tensor;
  };
  const at::Tensor x = leaf(layer.x), weight = leaf(layer.weight), bias = leaf(layer.bias);
  const at::Tensor y = convolve(x, weight, bias);
  y.backward(layer.dy.to(type));
  return {y.detach(), x.grad(), weight.grad(), bias.defined() ? bias.grad() : at::Tensor()};
}

Outcome in_ways(const Layer& layer, const ConvolutionWays& ways, at::ScalarType type = at::kFloat) {
  return outcome(layer, type,
                 [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
                   return convolution(x, weight, bias, layer.shape.geometry, ways);
                 });
}

Outcome of_torch(const Layer& layer, at::ScalarType type) {
  const ConvolutionGeometry& geometry = layer.shape.geometry;
  return outcome(
      layer, type, [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
        const std::vector<std::int64_t> stride(2, geometry.stride), padding(2, geometry.padding);
        const std::optional<at::Tensor> added = bias.defined() ? std::optional(bias) : std::nullopt;
        return geometry.transposed ? at::conv_transpose2d(x, weight, added, stride, padding,
                                                          geometry.output_padding)
                                   : at::conv2d(x, weight, added, stride, padding);
      });
}

// The error in units of what random rounding of `terms` products and their sums gives.
double error(const at::Tensor& ours, const at::Tensor& exact, double terms) {
  EXPECT_EQ(ours.sizes(), exact.sizes());
  return ((ours.to(at::kDouble) - exact).abs().max() / std::sqrt(terms)).item<double>();
}

void expect_close(const Outcome& ours, const Outcome& exact, const ConvolutionShape& shape) {
  constexpr double kTolerance = 1e-5;
  const double taps = static_cast<double>(shape.kernel * shape.kernel);
  const auto positions = static_cast<double>(shape.batch * shape.out_height() * shape.out_width());
  EXPECT_LT(error(ours.y, exact.y, taps * static_cast<double>(shape.in_channels)), kTolerance);
  EXPECT_LT(error(ours.dx, exact.dx, taps * static_cast<double>(shape.out_channels)), kTolerance);
  EXPECT_LT(error(ours.d_weight, exact.d_weight, positions), kTolerance);
  if (exact.d_bias.defined()) {
    EXPECT_LT(error(ours.d_bias, exact.d_bias, positions), kTolerance);
  }
}

bool same_bits(const Outcome& a, const Outcome& b) {
  return a.y.equal(b.y) && a.dx.equal(b.dx) && a.d_weight.equal(b.d_weight) &&
         (!a.d_bias.defined() || a.d_bias.equal(b.d_bias));
}

TEST(Convolution, IsTheExactOneUpToRoundingInEveryWay) {
  for (const std::string& text : kShapes)
    for (const bool with_bias : {false, true}) {
      SCOPED_TRACE(testing::Message() << text << (with_bias ? " with bias" : ""));
      const Layer layer = make_layer(text, with_bias);
      const Outcome exact = of_torch(layer, at::kDouble);
      for (const ConvolutionWay way : kOwnWays) {
        SCOPED_TRACE(word(way));
        for (const ConvolutionDirection direction : kConvolutionDirections)
          ASSERT_TRUE(can_serve(way, direction, layer.shape, at::kFloat));
        expect_close(in_ways(layer, {way, way, way}), exact, layer.shape);
      }
    }
}

constexpr ConvolutionWays kAllDirect{ConvolutionWay::direct, ConvolutionWay::direct,
                                     ConvolutionWay::direct};

// Tensors of fp32 with the values that bfloat16 has.
Layer rounded_layer(Layer layer) {
  for (at::Tensor* tensor : {&layer.x, &layer.weight, &layer.bias, &layer.dy})
    if (tensor->defined()) *tensor = tensor->to(at::kBFloat16).to(at::kFloat);
  return layer;
}

Outcome rounded_outcome(Outcome outcome) {
  for (at::Tensor* tensor : {&outcome.y, &outcome.dx, &outcome.d_weight, &outcome.d_bias})
    if (tensor->defined()) *tensor = tensor->to(at::kBFloat16);
  return outcome;
}

// Each value is that of `exact`, rounded once: off by half a step of bfloat16 (2^-8 of the value at
// most) and what sums of `terms` products in fp32 are off by.
void expect_rounded(const at::Tensor& ours, const at::Tensor& exact, double terms) {
  ASSERT_EQ(ours.scalar_type(), at::kBFloat16);
  ASSERT_EQ(ours.sizes(), exact.sizes());
  const at::Tensor off = (ours.to(at::kDouble) - exact).abs() - exact.abs() / 256;
  EXPECT_LT(off.max().item<double>(), 1e-5 * std::sqrt(terms));
}

void expect_rounded(const Outcome& ours, const Outcome& exact, const ConvolutionShape& shape) {
  const double taps = static_cast<double>(shape.kernel * shape.kernel);
  const auto positions = static_cast<double>(shape.batch * shape.out_height() * shape.out_width());
  expect_rounded(ours.y, exact.y, taps * static_cast<double>(shape.in_channels));
  expect_rounded(ours.dx, exact.dx, taps * static_cast<double>(shape.out_channels));
  expect_rounded(ours.d_weight, exact.d_weight, positions);
  if (exact.d_bias.defined()) expect_rounded(ours.d_bias, exact.d_bias, positions);
}

// Operands of bfloat16, products summed in fp32 or better, one rounding.
TEST(ConvolutionInBfloat16, IsTheExactOneRoundedOnceInEveryWay) {
  for (const std::string& text : kShapes)
    for (const bool with_bias : {false, true}) {
      SCOPED_TRACE(testing::Message() << text << (with_bias ? " with bias" : ""));
      const Layer layer = rounded_layer(make_layer(text, with_bias));
      const Outcome exact = of_torch(layer, at::kDouble);
      for (const ConvolutionWay way : kOwnWays) {
        SCOPED_TRACE(word(way));
        EXPECT_EQ(
            can_serve(way, ConvolutionDirection::forward, layer.shape, at::kBFloat16),
            bfloat16_products() == Bfloat16Products::rounded ||
                (way == ConvolutionWay::direct && bfloat16_products() != Bfloat16Products::other));
        const Outcome ours = in_ways(layer, {way, way, way}, at::kBFloat16);
        expect_rounded(ours, exact, layer.shape);
        // A CPU without instructions for it computes as in fp32, and a run goes on with these bits.
        if (bfloat16_products() == Bfloat16Products::rounded) {
          EXPECT_TRUE(same_bits(ours, rounded_outcome(in_ways(layer, {way, way, way}))));
        }
      }
    }
}

TEST(ConvolutionInBfloat16, ComputesEachDirectionInItsOwnWay) {
  const Layer layer = rounded_layer(make_layer("conv 32->33 k3 s1 p1, 4 x 23x5", true));
  const Outcome exact = of_torch(layer, at::kDouble);
  for (const ConvolutionDirection direction : kConvolutionDirections) {
    ConvolutionWays ways;
    ways.of(direction) = ConvolutionWay::direct;
    expect_rounded(in_ways(layer, ways, at::kBFloat16), exact, layer.shape);
  }
}

TEST(ConvolutionInBfloat16, KeepsWhatIsNoNumberAndWhatIsInfinite) {
  Layer layer = rounded_layer(make_layer("conv 32->48 k3 s1 p1, 1 x 20x20", false));
  layer.x.index_put_({at::tensor(0), at::tensor(3), at::tensor(5), at::tensor(5)},
                     at::tensor(std::numeric_limits<float>::quiet_NaN()));
  layer.dy = layer.dy.clone();
  layer.dy[0][1][9][9] = std::numeric_limits<float>::infinity();
  const Outcome ours = in_ways(layer, kAllDirect, at::kBFloat16);
  EXPECT_EQ(ours.y.isnan().sum().item<std::int64_t>(), 9 * 48);
  EXPECT_EQ(ours.dx.isinf().sum().item<std::int64_t>(), 9 * 32);
}

// Under autocast: rounded by it, or before.
TEST(ConvolutionInBfloat16, GivesOperandsGradientsOfTheirTypes) {
  const Layer layer = make_layer("conv 24->17 k3 s1 p1, 4 x 11x5", true);
  const Outcome of_rounded = in_ways(layer, kAllDirect, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  for (const bool weight_is_rounded : {false, true}) {
    const at::ScalarType of_weight = weight_is_rounded ? at::kBFloat16 : at::kFloat;
    const at::Tensor x = layer.x.clone().requires_grad_(),
                     weight = layer.weight.to(of_weight, false, true).requires_grad_(),
                     bias = layer.bias.to(of_weight, false, true).requires_grad_();
    EXPECT_TRUE(has_ways(x, weight));
    EXPECT_EQ(computed_type(x, weight), at::kBFloat16);
    const at::Tensor y = convolution(x, weight, bias, layer.shape.geometry, kAllDirect);
    y.backward(layer.dy.to(at::kBFloat16));
    EXPECT_EQ(x.grad().scalar_type(), at::kFloat);
    EXPECT_EQ(weight.grad().scalar_type(), of_weight);
    EXPECT_TRUE(
        same_bits(rounded_outcome({y.detach(), x.grad(), weight.grad(), bias.grad()}), of_rounded));
    at::autocast::clear_cache();
  }
  at::autocast::set_autocast_enabled(at::kCPU, false);
}

TEST(ConvolutionInBfloat16, HasSecondDerivatives) {
  const at::Tensor start = channels_last(random({2, 8, 5, 5}, 1)),
                   weight = channels_last(random({6, 8, 3, 3}, 2)).to(at::kBFloat16);
  const auto second = [&](const ConvolutionWays& ways) {
    const at::Tensor x = start.to(at::kBFloat16).requires_grad_();
    const at::Tensor y =
        convolution(x, weight, {}, {false, 1, 1, {0, 0}}, ways).to(at::kFloat).pow(3).sum();
    const at::Tensor first = torch::autograd::grad({y}, {x}, {}, std::nullopt, true)[0];
    return torch::autograd::grad({first.to(at::kFloat).square().sum()}, {x})[0].to(at::kFloat);
  };
  const at::Tensor expected = second({});
  EXPECT_LT(((second(kAllDirect) - expected).abs().max() / expected.abs().max()).item<double>(),
            0.02);
}

// Each way in each direction, with LibTorch's in the others.
TEST(Convolution, ComputesEachDirectionInItsOwnWay) {
  const Layer layer = make_layer("conv 24->17 k3 s1 p1, 4 x 11x5", true);
  const Outcome exact = of_torch(layer, at::kDouble), torchs = of_torch(layer, at::kFloat);
  for (const ConvolutionWay way : kOwnWays)
    for (const ConvolutionDirection direction : kConvolutionDirections) {
      ConvolutionWays ways;
      ways.of(direction) = way;
      const Outcome mixed = in_ways(layer, ways);
      expect_close(mixed, exact, layer.shape);
      EXPECT_EQ(mixed.y.equal(torchs.y), direction != ConvolutionDirection::forward);
      EXPECT_EQ(mixed.dx.equal(torchs.dx), direction != ConvolutionDirection::input_gradient);
      EXPECT_EQ(mixed.d_weight.equal(torchs.d_weight),
                direction != ConvolutionDirection::weight_gradient);
    }
}

TEST(Convolution, HasTheBitsOfTorchWhereAllIsLeftToIt) {
  for (const std::string& text : kShapes) {
    SCOPED_TRACE(text);
    const Layer layer = make_layer(text, true);
    EXPECT_TRUE(same_bits(in_ways(layer, {}), of_torch(layer, at::kFloat)));
  }
}

TEST(Convolution, GivesTheSameBitsWithAnyNumberOfThreads) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not see how the threads of OpenMP wait for each other";
#endif
  const int before = at::get_num_threads();
  for (const std::string& text : kShapes) {
    SCOPED_TRACE(text);
    const Layer layer = make_layer(text, false);
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      if (!can_serve(ConvolutionWay::direct, ConvolutionDirection::forward, layer.shape, type))
        continue;
      at::set_num_threads(1);
      const Outcome one = in_ways(layer, kAllDirect, type);
      at::set_num_threads(3);
      EXPECT_TRUE(same_bits(in_ways(layer, kAllDirect, type), one)) << type;
      at::set_num_threads(before);
    }
  }
}

TEST(Convolution, TakesWeightsAndImagesInAnyOrderOfTheirValues) {
  for (const ConvolutionWay way : kOwnWays) {
    Layer layer = make_layer("transposed 33->20 k3 s2 p1 o0x0, 17 x 4x5", false);
    const Outcome exact = of_torch(layer, at::kDouble);
    layer.weight = layer.weight.contiguous();
    ASSERT_TRUE(has_ways(layer.x, layer.weight));
    expect_close(in_ways(layer, {way, way, way}), exact, layer.shape);
    layer.weight = channels_last(layer.weight);
    layer.x = layer.x.contiguous();
    ASSERT_TRUE(has_ways(layer.x, layer.weight));
    expect_close(in_ways(layer, {way, way, way}), exact, layer.shape);
  }
}

// Other types, and images whose channels are not beside each other, are LibTorch's whatever is
// wanted.
TEST(Convolution, LeavesToTorchWhatTheWaysDoNotServe) {
  const Layer layer = make_layer("conv 24->17 k3 s1 p1, 4 x 11x5", false);
  const auto of = [&](const at::Tensor& x, const at::Tensor& weight) {
    return convolution(x, weight, {}, layer.shape.geometry, kAllDirect);
  };
  const auto is_torchs = [&](const at::Tensor& x, const at::Tensor& weight) {
    EXPECT_FALSE(has_ways(x, weight));
    EXPECT_TRUE(of(x, weight).equal(at::conv2d(x, weight, {}, 1, 1)));
  };
  is_torchs(layer.x.to(at::kDouble), layer.weight.to(at::kDouble));
  is_torchs(layer.x.contiguous(), layer.weight.contiguous());
  EXPECT_FALSE(has_ways(layer.x, layer.weight.to(at::kBFloat16)));
  EXPECT_THROW(of(layer.x.narrow(1, 0, 3), layer.weight), c10::Error);
}

TEST(Convolution, ComputesNoGradientThatNobodyAsksFor) {
  const Layer layer = make_layer("conv 3->32 k3 s2 p1, 5 x 16x16", false);
  const Outcome exact = of_torch(layer, at::kDouble);
  for (const ConvolutionWay way : kOwnWays) {
    const at::Tensor weight = layer.weight.clone().requires_grad_();
    const at::Tensor y = convolution(layer.x, weight, {}, layer.shape.geometry, {way, way, way});
    y.backward(layer.dy);
    EXPECT_FALSE(layer.x.grad().defined());
    EXPECT_LT(error(weight.grad(), exact.d_weight, 5 * 8 * 8), 3e-6);
    const c10::NoGradGuard no_gradients;
    const at::Tensor same = convolution(layer.x, weight, {}, layer.shape.geometry, {way, way, way});
    EXPECT_FALSE(same.requires_grad());
    EXPECT_TRUE(same.equal(y));
  }
}

TEST(Convolution, AddsTheGradientsOfALayerThatIsUsedTwice) {
  for (const ConvolutionWay way : kOwnWays) {
    const at::Tensor x = channels_last(random({3, 8, 9, 9}, 1)),
                     start = channels_last(random({8, 8, 3, 3}, 2));
    const auto gradient = [&](const auto& convolve) {
      const at::Tensor weight = start.clone().requires_grad_();
      convolve(convolve(x, weight), weight).square().sum().backward();
      return weight.grad();
    };
    const at::Tensor expected = gradient([](const at::Tensor& from, const at::Tensor& weight) {
      return at::conv2d(from, weight, {}, 1, 1);
    });
    const at::Tensor ours = gradient([&](const at::Tensor& from, const at::Tensor& weight) {
      return convolution(from, weight, {}, {false, 1, 1, {0, 0}}, {way, way, way});
    });
    EXPECT_LT(((ours - expected).abs().max() / expected.abs().max()).item<double>(), 1e-5);
  }
}

TEST(Convolution, HasSecondDerivatives) {
  for (const ConvolutionWay way : kOwnWays) {
    const at::Tensor start = channels_last(random({2, 8, 5, 5}, 1)),
                     weight = channels_last(random({6, 8, 3, 3}, 2));
    const auto second = [&](const auto& convolve) {
      const at::Tensor x = start.clone().requires_grad_();
      const at::Tensor y = convolve(x, weight).pow(3).sum();
      const at::Tensor first = torch::autograd::grad({y}, {x}, {}, std::nullopt, true)[0];
      return torch::autograd::grad({first.square().sum()}, {x})[0];
    };
    const at::Tensor expected =
        second([](const at::Tensor& x, const at::Tensor& w) { return at::conv2d(x, w, {}, 1, 1); });
    const at::Tensor ours = second([&](const at::Tensor& x, const at::Tensor& w) {
      return convolution(x, w, {}, {false, 1, 1, {0, 0}}, {way, way, way});
    });
    EXPECT_LT(((ours - expected).abs().max() / expected.abs().max()).item<double>(), 1e-5);
  }
}

TEST(ConvolutionPhases, UpwardsMeetEachPositionOnceWithEachWeightThatReachesIt) {
  for (std::int64_t kernel = 1; kernel <= 5; ++kernel)
    for (std::int64_t stride = 1; stride <= 4; ++stride)
      for (std::int64_t padding = 0; padding < kernel; ++padding) {
        constexpr std::int64_t kLarge = 11;
        std::multiset<std::pair<std::int64_t, std::int64_t>> expected, found;
        std::set<std::int64_t> outputs;
        for (std::int64_t i = -9; i < 20; ++i)
          for (std::int64_t k = 0; k < kernel; ++k)
            if (const std::int64_t o = stride * i - padding + k; o >= 0 && o < kLarge)
              expected.insert({o, i * 100 + k});
        for (const Phase& phase : phases_up(kernel, stride, padding, kLarge))
          for (std::int64_t n = 0; n < phase.count; ++n) {
            EXPECT_TRUE(outputs.insert(phase.first + phase.every * n).second);
            for (const Tap& tap : phase.taps)
              found.insert(
                  {phase.first + phase.every * n, (phase.step * n + tap.offset) * 100 + tap.k});
          }
        EXPECT_EQ(found, expected) << kernel << ' ' << stride << ' ' << padding;
        EXPECT_EQ(outputs.size(), std::size_t{kLarge});
      }
}

TEST(ConvolutionShape, IsWrittenAsTextAndReadBack) {
  for (const std::string& text : kShapes) EXPECT_EQ(shaped(text).text(), text);
  const ConvolutionShape shape = shaped("transposed 64->32 k3 s2 p1 o1x0, 3 x 9x10");
  EXPECT_EQ(shape.out_height(), 18);
  EXPECT_EQ(shape.out_width(), 19);
  EXPECT_EQ(shape.operations(), 2.0 * 3 * 9 * 10 * 9 * 64 * 32);
  for (const std::string wrong :
       {"", "conv", "conv 3->4", "con 3->4 k3 s1 p1, 5 x 6x7", "conv 3->4 k3 s0 p1, 5 x 6x7",
        "conv 3->4 k3 s1 p1, 5 x 6x7 ", "conv 3->4 k3 s1 p1 o1x1, 5 x 6x7",
        "transposed 3->4 k3 s1 p1, 5 x 6x7", "conv 3->-4 k3 s1 p1, 5 x 6x7"})
    EXPECT_THROW(shaped(wrong), std::invalid_argument) << wrong;
}

TEST(ConvolutionChoice, ForcesOneWayWhereItServes) {
  const ConvolutionShape shape = shaped("conv 32->64 k3 s2 p1, 64 x 32x32");
  ConvolutionChoice direct(ConvolutionWay::direct);
  EXPECT_EQ(
      direct.ways(shape, at::kFloat),
      (ConvolutionWays{ConvolutionWay::direct, ConvolutionWay::direct, ConvolutionWay::direct}));
  EXPECT_EQ(direct.ways(shape, at::kDouble), ConvolutionWays{});
}

TEST(ConvolutionChoice, KnowsTheShapesThatWereAskedFor) {
  ConvolutionChoice choice;
  const ConvolutionShape one = shaped("conv 32->64 k3 s2 p1, 64 x 32x32"),
                         other = shaped("conv 3->32 k3 s2 p1, 64 x 64x64");
  for (const ConvolutionShape& shape : {one, other, one}) choice.ways(shape, at::kFloat);
  EXPECT_EQ(choice.shapes_asked(), (std::vector{other, one}));
}

TEST(ConvolutionChoice, TakesTheTableForShapesThatItDoesNotName) {
  const ConvolutionShape named = shaped("conv 32->64 k3 s2 p1, 64 x 32x32"),
                         other = shaped("conv 32->64 k3 s2 p1, 63 x 32x32");
  constexpr ConvolutionWays kMixed{ConvolutionWay::direct, ConvolutionWay::products,
                                   ConvolutionWay::onednn};
  ConvolutionChoice choice({{named, kMixed}});
  EXPECT_EQ(choice.ways(named, at::kFloat), kMixed);
  EXPECT_EQ(choice.ways(other, at::kFloat),
            ways_from_table(other, at::kFloat, instruction_set(), at::get_num_threads()));

  ConvolutionChoice again(ConvolutionChoice::parse_json(choice.to_json()));
  EXPECT_EQ(again.by_shape(), choice.by_shape());
  EXPECT_EQ(again.forced(), std::nullopt);
  ConvolutionChoice forced(
      ConvolutionChoice::parse_json(ConvolutionChoice(ConvolutionWay::products).to_json()));
  EXPECT_EQ(forced.forced(), ConvolutionWay::products);
  for (const std::string wrong :
       {"", "{}", R"({"forced": "fast", "by_shape": {}})",
        R"({"forced": null, "by_shape": {"conv": {}}})",
        R"({"forced": null, "by_shape": {"conv 3->4 k3 s1 p1, 5 x 6x7": {"forward": "direct"}}})"})
    EXPECT_THROW(ConvolutionChoice::parse_json(wrong), std::invalid_argument) << wrong;
}

TEST(ConvolutionTable, IsAPureFunctionThatNamesOnlyWaysThatServe) {
  for (const std::string& text : kShapes)
    for (const InstructionSet set :
         {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
      const ConvolutionWays ways = ways_from_table(shaped(text), at::kFloat, set, 1);
      for (const ConvolutionDirection direction : kConvolutionDirections)
        EXPECT_TRUE(can_serve(ways.of(direction), direction, shaped(text), at::kFloat)) << text;
      EXPECT_EQ(ways, ways_from_table(shaped(text), at::kFloat, set, 1));
      EXPECT_EQ(ways_from_table(shaped(text), at::kDouble, set, 1), ConvolutionWays{});
    }
  for (const std::string& text : kShapes)
    for (const Bfloat16Products products :
         {Bfloat16Products::rounded, Bfloat16Products::vectors, Bfloat16Products::tiles}) {
      const ConvolutionWays ways =
          ways_from_table(shaped(text), at::kBFloat16, InstructionSet::avx512, 1, products);
      for (const ConvolutionDirection direction : kConvolutionDirections)
        EXPECT_TRUE(can_serve(ways.of(direction), direction, shaped(text), at::kBFloat16)) << text;
      if (products == Bfloat16Products::tiles) {
        EXPECT_EQ(ways, ConvolutionWays{}) << "not measured";
      }
    }
  // Many channels on small images: loops of our own, where there are vectors for them.
  const ConvolutionShape deep = shaped("conv 256->512 k3 s2 p1, 64 x 4x4");
  EXPECT_EQ(ways_from_table(deep, at::kFloat, InstructionSet::avx2, 1).forward,
            ConvolutionWay::direct);
  EXPECT_EQ(ways_from_table(deep, at::kFloat, InstructionSet::baseline, 1).forward,
            ConvolutionWay::onednn);
}

TEST(InstructionSet, IsWhatTorchAllows) {
  const std::string allowed = at::get_cpu_capability();
  EXPECT_EQ(instruction_set() == InstructionSet::baseline, allowed == "DEFAULT");
  EXPECT_EQ(instruction_set() == InstructionSet::avx2, allowed == "AVX2");
  EXPECT_FALSE(instruction_set() < InstructionSet::avx512 && multiplies_bfloat16());
  EXPECT_EQ(word(InstructionSet::avx2), "avx2");
}

}  // namespace
}  // namespace vae_dist::kernels
