#include "kernels/convolution_timing.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "kernels/trial_convolution.hpp"

namespace vae_dist::kernels {
namespace {

constexpr std::array kWays = {ConvolutionWay::onednn, ConvolutionWay::products,
                              ConvolutionWay::direct};

// Each candidate runs once unmeasured, which takes its memory, and then this often.
constexpr int kRounds = 3;

// The directions and ways of a layer take about this many times as long as one forward pass.
constexpr double kPassesOfALayer = 3 * 2 * (kRounds + 1);

double time(const std::function<at::Tensor()>& work, const std::function<double()>& clock) {
  const double began = clock();
  work();
  return clock() - began;
}

// Returns which part of each batch can be measured in the time: a first forward pass of each layer
// tells how long all would take.
double part_of_the_batch(const std::vector<ConvolutionShape>& shapes, at::ScalarType type,
                         const TimingOptions& options) {
  double all = 0;
  for (const ConvolutionShape& shape : shapes) {
    const TrialConvolution trial(shape, type);
    all +=
        kPassesOfALayer *
        time(trial.prepared(ConvolutionDirection::forward, ConvolutionWay::onednn), options.clock);
  }
  return all > options.seconds ? options.seconds / all : 1;
}

struct Candidate {
  ConvolutionWay way;
  std::function<at::Tensor()> work;
  double least_seconds = std::numeric_limits<double>::infinity();
};

ConvolutionWay fastest(std::vector<Candidate> candidates, ConvolutionWay usual,
                       const TimingOptions& options) {
  for (int round = 0; round <= kRounds; ++round)
    for (Candidate& each : candidates) {
      const double seconds = time(each.work, options.clock);
      if (round > 0) each.least_seconds = std::min(each.least_seconds, seconds);
    }
  const auto best = std::ranges::min_element(candidates, {}, &Candidate::least_seconds),
             of_usual = std::ranges::find(candidates, usual, &Candidate::way);
  return best->least_seconds <= options.clearly_faster * of_usual->least_seconds ? best->way
                                                                                 : usual;
}

}  // namespace

ConvolutionChoice::ByShape fastest_ways(const std::vector<ConvolutionShape>& shapes,
                                        at::ScalarType type, const TimingOptions& options) {
  const double part = part_of_the_batch(shapes, type, options);
  ConvolutionChoice::ByShape out;
  for (const ConvolutionShape& shape : shapes) {
    const TrialConvolution trial(with_part_of_the_batch(shape, part), type);
    ConvolutionWays ways = ways_from_table(shape, type, instruction_set(), at::get_num_threads());
    for (const ConvolutionDirection direction : kConvolutionDirections) {
      std::vector<Candidate> candidates;
      for (const ConvolutionWay way : kWays)
        if (can_serve(way, direction, shape, type))
          candidates.push_back({way, trial.prepared(direction, way)});
      ways.of(direction) = fastest(std::move(candidates), ways.of(direction), options);
    }
    out.emplace(shape, ways);
  }
  return out;
}

}  // namespace vae_dist::kernels
