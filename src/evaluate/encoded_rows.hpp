// The latents of many rows, encoded by all ranks together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// The latents of samples [first, first + mu.size(0)): mu and log_var [n, L], in the model's type,
/// on the CPU. log_var is undefined for a point latent.
struct EncodedBlock {
  std::int64_t first = 0;
  at::Tensor mu, log_var;
};

/// Encodes `samples` in evaluation mode, `block` rows at a time; each rank encodes consecutive
/// blocks. Passes all blocks to `take` on every rank, with the same bits for any number of ranks
/// but not in the same order: EncodedBlock::first says which it is. Keeps at most one block per
/// rank in memory. The model must have an encoder. A collective over `all_ranks`.
void encode_in_blocks(model::LatentModel& model, const data::SampleDataset& dataset,
                      arrays::RowRange samples, const data::InputFormat& format, std::int64_t block,
                      comm::CpuCommunicator& all_ranks,
                      const std::function<void(const EncodedBlock&)>& take);

/// Encodes like encode_in_blocks() and returns all rows as one block.
EncodedBlock encode_rows(model::LatentModel& model, const data::SampleDataset& dataset,
                         arrays::RowRange samples, const data::InputFormat& format,
                         std::int64_t block, comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
