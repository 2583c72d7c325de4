// Mean and deviation of the code over a dataset: what a model of the codes (a latent diffusion
// model, say) subtracts and divides by before it learns them (Rombach et al. 2022, appendix G).
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Of z ~ q(z|x) over rows and draws, exactly, without drawing:
///   mean = mean of mu,  deviation^2 = variance of mu + mean of exp(log_var)
/// (population variances). A point latent is its own z.
struct CodeMoments {
  std::vector<double> mean, deviation;
  std::vector<double> deviation_of_mean;  ///< of mu alone, for those who encode without drawing
};

struct LatentStatistics {
  std::int64_t rows = 0;
  CodeMoments dimensions;  ///< [latent values]
  CodeMoments channels;    ///< [channels]: over rows and positions
  CodeMoments all;         ///< [1]: over everything

  /// (z - shift) * scaling_factor has mean 0 and deviation 1.
  double shift() const { return all.mean[0]; }
  double scaling_factor() const { return 1 / all.deviation[0]; }
};

/// Encodes `samples` (encoded_rows.hpp) and merges the moments of blocks in their order, in
/// float64: the same bits for any number of ranks. channels: of the latent, which divides the
/// latent values; a channel's positions lie one after the other. The model must have an encoder. A
/// collective over `all_ranks`.
LatentStatistics latent_statistics(model::LatentModel& model, const data::SampleDataset& dataset,
                                   arrays::RowRange samples, const data::InputFormat& format,
                                   std::int64_t block, std::int64_t channels,
                                   comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
