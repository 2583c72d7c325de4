// The latents of a dataset in an HDF5 file.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Writes `mu` and, for a posterior, `log_var`: float32 or float64 [N, L], in the model's
/// precision. For a quantized latent, whose `mu` is what the encoder gives, writes `codes` too:
/// int64 [N, vectors] (model::VectorQuantizer::codes_of()). Also copies the file's labels and
/// factors of these images, under their own names and in their own types. All ranks encode; rank 0
/// writes block by block, so memory stays bounded. Returns the names of the datasets (on rank 0).
/// Throws Failure if the file cannot be written. A collective over `all_ranks`.
std::vector<std::string> write_latents(const std::string& path, model::LatentModel& model,
                                       const data::SampleDataset& dataset,
                                       const std::vector<std::string>& labels,
                                       arrays::RowRange samples, const data::InputFormat& format,
                                       std::int64_t block, comm::CpuCommunicator& all_ranks);

/// Returns the datasets to copy, with one row per image: all that exist, or those of `chosen`
/// ("labels,latents/values"; "none"). Throws BadInput for one that does not exist, and for names
/// that the model's latents themselves use.
std::vector<std::string> chosen_labels(const data::SampleDataset& dataset,
                                       const std::string& chosen, const model::LatentModel& model);

}  // namespace vae_dist::evaluate
