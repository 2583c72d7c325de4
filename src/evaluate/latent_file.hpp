// The latents of a dataset in an HDF5 file.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Writes `mu` and (of a posterior) `log_var`, float32 or float64 [N, L] as the model computes, and
/// beside them what the file says of these images: labels and factors, under their own names and in
/// their own types. Rank 0 writes, block by block, so memory stays bounded; all ranks encode.
/// Returns the datasets' names (on rank 0). Throws Failure when the file cannot be written. A
/// collective on a host communicator.
std::vector<std::string> write_latents(const std::string& path, model::LatentModel& model,
                                       const data::SampleDataset& dataset,
                                       const std::vector<std::string>& labels,
                                       data::RowRange samples, const data::InputFormat& format,
                                       std::int64_t block, comm::HostCommunicator& host);

/// The datasets with a row an image that are copied: all there are, or those of `chosen`
/// ("labels,latents/values"; "none"). Throws BadInput for one that does not exist, and for names
/// that the latents have themselves.
std::vector<std::string> chosen_labels(const data::SampleDataset& dataset,
                                       const std::string& chosen);

}  // namespace vae_dist::evaluate
