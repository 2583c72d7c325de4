#include "evaluate/encoded_rows.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/read_samples.hpp"
#include "evaluate/shared_tasks.hpp"
#include "model/evaluation_mode.hpp"

namespace vae_dist::evaluate {

void encode_in_blocks(model::LatentModel& model, const data::SampleDataset& dataset,
                      arrays::RowRange samples, const data::InputFormat& format, std::int64_t block,
                      comm::CpuCommunicator& all_ranks,
                      const std::function<void(const EncodedBlock&)>& take) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  const bool point = model.latent_kind() == base::LatentKind::point;
  const std::int64_t latent = model.latent_values(), columns = point ? latent : 2 * latent,
                     ranks = all_ranks.size();
  const std::int64_t blocks = (samples.size() + block - 1) / block;
  const auto first_of = [&](std::int64_t b) { return samples.first + b * block; };
  const auto rows_of = [&](std::int64_t b) { return std::min(block, samples.last - first_of(b)); };

  at::Tensor mine = at::zeros({block, columns}, format.type),
             everyone = at::empty({ranks, block, columns}, format.type);
  const auto own = [&](int rank) { return blocks_of(rank, blocks, all_ranks.size()); };
  const std::int64_t rounds = (blocks + ranks - 1) / ranks;
  for (std::int64_t round = 0; round < rounds; ++round) {
    if (const std::int64_t b = own(all_ranks.rank()).first + round;
        b < own(all_ranks.rank()).last) {
      const model::Posterior posterior =
          model.encode(read_batch(dataset, first_of(b), rows_of(b), format));
      const at::Tensor rows = point ? posterior.mu : at::cat({posterior.mu, posterior.log_var}, 1);
      mine.narrow(0, 0, rows.size(0)).copy_(rows);
    }
    all_ranks.all_gather(
        {mine.data_ptr(), static_cast<std::int64_t>(mine.nbytes()), comm::DataType::uint8},
        {everyone.data_ptr(), static_cast<std::int64_t>(everyone.nbytes()), comm::DataType::uint8});
    for (int rank = 0; rank < all_ranks.size(); ++rank) {
      const std::int64_t b = own(rank).first + round;
      if (b >= own(rank).last) continue;
      const at::Tensor rows = everyone[rank].narrow(0, 0, rows_of(b));
      take({first_of(b), rows.narrow(1, 0, latent),
            point ? at::Tensor() : rows.narrow(1, latent, latent)});
    }
  }
}

EncodedBlock encode_rows(model::LatentModel& model, const data::SampleDataset& dataset,
                         arrays::RowRange samples, const data::InputFormat& format,
                         std::int64_t block, comm::CpuCommunicator& all_ranks) {
  EncodedBlock all{samples.first, at::Tensor(), at::Tensor()};
  const auto put = [&](at::Tensor& into, const at::Tensor& rows, std::int64_t first) {
    if (!into.defined()) into = at::empty({samples.size(), rows.size(1)}, rows.options());
    into.narrow(0, first - samples.first, rows.size(0)).copy_(rows);
  };
  encode_in_blocks(model, dataset, samples, format, block, all_ranks,
                   [&](const EncodedBlock& part) {
                     put(all.mu, part.mu, part.first);
                     if (part.log_var.defined()) put(all.log_var, part.log_var, part.first);
                   });
  return all;
}

}  // namespace vae_dist::evaluate
