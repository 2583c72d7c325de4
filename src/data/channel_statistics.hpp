// Mean, deviation and range of each channel over the samples of a dataset, with the same bits at
// any number of ranks and threads.
//
// The samples are cut into a number of parts that depends on nothing but their number and size.
// Each part is summed by one rank, sample after sample, and the parts are joined in their order
// (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/normalisation.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

/// Of the values f(stored), f being the channel's transform. One entry for each channel (for
/// vectors: for each value).
struct ChannelStatistics {
  std::vector<double> mean, deviation, least, largest;
};

/// Reads every sample of `dataset` once. A collective over `all_ranks`, each of which reads its
/// share with `threads` threads. Throws AgreedError if a sample cannot be read, or if a value has
/// no transform, or its transform none by `encoder_transforms` (empty: not asked).
ChannelStatistics channel_statistics(const SampleDataset& dataset,
                                     const std::vector<std::string>& transforms,
                                     comm::CpuCommunicator& all_ranks, std::int64_t threads,
                                     const std::vector<std::string>& encoder_transforms = {});

/// Returns whether these transforms can be applied to every number.
bool take_all_numbers(const std::vector<std::string>& transforms);

enum class NormaliseBy { nothing, deviation, range };

/// Returns the normalisation that brings these channels to mean 0 and deviation 1, to [0, 1], or
/// leaves them as they are. A channel that does not vary is only shifted.
Normalisation normalisation_of(const ChannelStatistics& statistics,
                               const std::vector<std::string>& transforms, NormaliseBy by);

/// Returns what to say about channels that hardly vary: their deviation is below a millionth of
/// their mean, so that single precision keeps few digits of what varies. Empty if there are none.
std::string constant_channels(const ChannelStatistics& statistics);

}  // namespace vae_dist::data
