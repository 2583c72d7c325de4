// The simplest model there is: every image is the mean image. What a trained model has to beat.
#pragma once

#include "comm/communicator.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::evaluate {

/// Mean squared error per value, on [0, 1], of the mean image of samples [first, first + count) as
/// reconstruction of each of them: the mean over values of their variance. Exact integer sums (of
/// floats rounded to 1/65536), so the same bits at any number of ranks. A collective on a host
/// communicator.
double mean_image_mse(const data::SampleDataset& dataset, std::int64_t count,
                      comm::HostCommunicator& host, std::int64_t first = 0);

}  // namespace vae_dist::evaluate
