#include "kernels/convolution_timing.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>

namespace vae_dist::kernels {
namespace {

constexpr std::array kWays = {ConvolutionWay::onednn, ConvolutionWay::products,
                              ConvolutionWay::direct};

// Each candidate runs once unmeasured, which takes its memory, and then this often.
constexpr int kRounds = 3;

// The directions and ways of a layer take about this many times as long as one forward pass.
constexpr double kPassesOfALayer = 3 * 2 * (kRounds + 1);

// One convolution's tensors.
struct Layer {
  ConvolutionShape shape;
  at::Tensor x, weight, dy;

  Layer(const ConvolutionShape& of, at::ScalarType type) : shape(of) {
    const auto options = at::TensorOptions().dtype(type);
    const auto image = [&](std::int64_t channels, std::int64_t height, std::int64_t width) {
      return at::ones({of.batch, channels, height, width}, options)
          .contiguous(at::MemoryFormat::ChannelsLast);
    };
    x = image(of.in_channels, of.in_height, of.in_width);
    dy = image(of.out_channels, of.out_height(), of.out_width());
    const std::int64_t from = of.geometry.transposed ? of.in_channels : of.out_channels,
                       to = of.geometry.transposed ? of.out_channels : of.in_channels;
    weight = at::ones({from, to, of.kernel, of.kernel}, options)
                 .contiguous(at::MemoryFormat::ChannelsLast);
  }

  // Returns the seconds of one direction, computed by `way`.
  double time(ConvolutionDirection direction, ConvolutionWay way,
              const std::function<double()>& clock) const {
    ConvolutionWays ways;
    ways.of(direction) = way;
    if (direction == ConvolutionDirection::forward) {
      const at::NoGradGuard no_grad;
      const double began = clock();
      convolution(x, weight, {}, shape.geometry, ways);
      return clock() - began;
    }
    const bool of_input = direction == ConvolutionDirection::input_gradient;
    const at::Tensor leaf = (of_input ? x : weight).detach().requires_grad_();
    const at::Tensor y =
        convolution(of_input ? leaf : x, of_input ? weight : leaf, {}, shape.geometry, ways);
    const double began = clock();
    torch::autograd::grad({y}, {leaf}, {dy});
    return clock() - began;
  }
};

// Returns a shape of fewer samples, so that the measurements of all layers fit into the time: a
// first, unmeasured forward pass of each layer has told how long they would take.
double part_of_the_batch(const std::vector<ConvolutionShape>& shapes, at::ScalarType type,
                         const TimingOptions& options) {
  double all = 0;
  for (const ConvolutionShape& shape : shapes) {
    const Layer layer(shape, type);
    all += kPassesOfALayer *
           layer.time(ConvolutionDirection::forward, ConvolutionWay::onednn, options.clock);
  }
  return all > options.seconds ? options.seconds / all : 1;
}

ConvolutionWay fastest(const Layer& layer, ConvolutionDirection direction, ConvolutionWay usual,
                       const TimingOptions& options) {
  struct Candidate {
    ConvolutionWay way;
    double least = std::numeric_limits<double>::infinity();
  };
  std::vector<Candidate> candidates;
  for (const ConvolutionWay way : kWays)
    if (can_serve(way, direction, layer.shape, layer.x.scalar_type())) candidates.push_back({way});
  if (candidates.size() < 2) return usual;

  for (int round = 0; round <= kRounds; ++round)
    for (Candidate& each : candidates) {
      const double seconds = layer.time(direction, each.way, options.clock);
      if (round > 0) each.least = std::min(each.least, seconds);
    }
  const auto of_usual = std::ranges::find(candidates, usual, &Candidate::way);
  const auto best = std::ranges::min_element(candidates, {}, &Candidate::least);
  if (of_usual == candidates.end()) return best->way;
  return best->least <= options.clearly_faster * of_usual->least ? best->way : usual;
}

}  // namespace

ConvolutionChoice::ByShape fastest_ways(const std::vector<ConvolutionShape>& shapes,
                                        at::ScalarType type, const TimingOptions& options) {
  const double part = part_of_the_batch(shapes, type, options);
  ConvolutionChoice::ByShape out;
  for (const ConvolutionShape& shape : shapes) {
    ConvolutionShape measured = shape;
    measured.batch = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(part * static_cast<double>(shape.batch)));
    const Layer layer(measured, type);
    ConvolutionWays ways = ways_from_table(shape, type, instruction_set(), at::get_num_threads());
    for (const ConvolutionDirection direction : kConvolutionDirections)
      ways.of(direction) = fastest(layer, direction, ways.of(direction), options);
    out.emplace(shape, ways);
  }
  return out;
}

}  // namespace vae_dist::kernels
