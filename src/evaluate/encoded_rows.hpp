// The latents of many rows, encoded by all ranks together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// Samples [first, first + mu.size(0)): mu and log_var [n, L], of the model's type, on the host;
/// log_var undefined for a point.
struct EncodedBlock {
  std::int64_t first = 0;
  at::Tensor mu, log_var;
};

/// Encodes `samples` in evaluation mode, `block` at a time, block b by rank b mod np, and gives
/// every rank all blocks, in order: `take` sees the same bits at any number of ranks, and no more
/// than a block of each rank is kept. The model has an encoder. A collective on a host
/// communicator.
void encode_in_blocks(model::LatentModel& model, const data::SampleDataset& dataset,
                      data::RowRange samples, const data::InputFormat& format, std::int64_t block,
                      comm::HostCommunicator& host,
                      const std::function<void(const EncodedBlock&)>& take);

/// All of them at once.
EncodedBlock encode_rows(model::LatentModel& model, const data::SampleDataset& dataset,
                         data::RowRange samples, const data::InputFormat& format,
                         std::int64_t block, comm::HostCommunicator& host);

}  // namespace vae_dist::evaluate
