// The baseline that a trained model has to beat: every image is reconstructed as the mean image.
#pragma once

#include "comm/communicator.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::evaluate {

/// Returns the mean squared error per value, on [0, 1], with the mean image of samples [first,
/// first + count) as the reconstruction of each of them: the mean over values of their variance.
/// Uses exact integer sums (of floats rounded to 1/65536), so the result has the same bits for any
/// number of ranks. A collective over `all_ranks`.
double mean_image_mse(const data::SampleDataset& dataset, std::int64_t count,
                      comm::CpuCommunicator& all_ranks, std::int64_t first = 0);

}  // namespace vae_dist::evaluate
