// The baseline that a trained model has to beat: every image is reconstructed as the mean image.
#pragma once

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::evaluate {

/// Returns the mean squared error per value with the mean image of samples [first, first + count)
/// as the reconstruction of each of them: the mean over values of their variance. It is that of
/// values on [0, 1], or of what the model sees where the data are normalised (`format`), over the
/// values that are not missing. Uses exact integer sums (of floats rounded to 1/65536, or 1/4096
/// where they are normalised), so the result has the same bits for any number of ranks. A
/// collective over `all_ranks`.
double mean_image_mse(const data::SampleDataset& dataset, const data::InputFormat& format,
                      std::int64_t count, comm::CpuCommunicator& all_ranks, std::int64_t first = 0);

}  // namespace vae_dist::evaluate
