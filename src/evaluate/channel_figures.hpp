// What a model makes of each channel of its data, in the units of the file: errors and power of
// reconstructions, and how samples of the prior are distributed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "evaluate/evaluation.hpp"

namespace vae_dist::evaluate {

/// Vectors with at most so many values are judged value by value, longer ones as a whole.
inline constexpr std::int64_t kMostSeparateValues = 64;

/// A quantity's distribution in the data and in as many samples of the prior (draws of p(x|z) for z
/// of the prior, or means: EvaluationOptions::compared_values). Each has the condition of a sample
/// of the data and, of counts, its total. The bins reach from the data's
/// smallest to their largest value.
struct ComparedHistograms {
  double separation = 0;  ///< S^2 of data and samples (separation_power.hpp)
  /// S^2 of every other sample of the data against the rest: what chance alone makes of half as
  /// many samples.
  double separation_of_halves = 0;
  /// [kHistogramBins + 1], in the file's units. Bins have equal widths in the values that
  /// `data.transform` makes of the stored ones.
  std::vector<double> edges;
  std::vector<double> data, samples;  ///< shares of all values: [kHistogramBins]
  double below = 0, above = 0;        ///< shares of the samples' values that lie outside
};

struct ChannelFigures {
  /// A channel; of vectors a value, or all values (kMostSeparateValues).
  struct Channel {
    std::string name;                   ///< channel_names()
    std::string units = {};             ///< of the file's values; empty: the file does not say
    std::optional<double> rmse, vrmse;  ///< of reconstructions from the posterior mean, the VRMSE
                                        ///< (channel_errors.hpp) as mean over samples. Absent
                                        ///< without an encoder; VRMSE needs space
    /// By RadialShells, mean over samples; that of errors is of reconstruction - data. Empty for
    /// axes of at most 4 points and without space; the last two also without an encoder.
    std::vector<double> power_of_data, power_of_reconstructions, power_of_errors;
    ComparedHistograms values;
  };
  std::vector<Channel> channels;
  Values compared_values = Values::sample;   ///< as in the options
  std::optional<ComparedHistograms> totals;  ///< of the sums of a sample's values; only for vectors
};

/// Returns whether people expect figures by channel of such data: not of pictures with 1, 3 or 4
/// channels that are read by their scale.
bool has_telling_channels(const data::InputFormat& format);

/// Returns the names of the channels (of vectors, of the values): the path of their dataset, with
/// the channel's index in brackets if the dataset has several: "t0_fields/density", "imgs[2]".
std::vector<std::string> channel_names(const data::SampleDataset& dataset);

/// Computes the figures of options.samples samples from options.first on. Reads the data twice. The
/// result has the same bits for any number of ranks, if each has the same number of threads. A
/// collective over `all_ranks`.
ChannelFigures channel_figures(model::LatentModel& model, const data::SampleDataset& dataset,
                               const EvaluationOptions& options, comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
