#include "evaluate/encoded_rows.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/evaluation_mode.hpp"
#include "evaluate/read_samples.hpp"

namespace vae_dist::evaluate {

void encode_in_blocks(model::LatentModel& model, const data::SampleDataset& dataset,
                      data::RowRange samples, const data::InputFormat& format, std::int64_t block,
                      comm::CpuCommunicator& all_ranks,
                      const std::function<void(const EncodedBlock&)>& take) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  const bool point = model.latent_kind() == base::LatentKind::point;
  const std::int64_t latent = model.latent_values(), columns = point ? latent : 2 * latent,
                     ranks = all_ranks.size();
  const std::int64_t blocks = (samples.size() + block - 1) / block;
  const auto first_of = [&](std::int64_t b) { return samples.first + b * block; };
  const auto rows_of = [&](std::int64_t b) { return std::min(block, samples.last - first_of(b)); };

  at::Tensor mine = at::zeros({block, columns}, format.type),
             everyone = at::empty({ranks, block, columns}, format.type);
  for (std::int64_t round = 0; round < blocks; round += ranks) {
    if (const std::int64_t b = round + all_ranks.rank(); b < blocks) {
      const model::Posterior posterior =
          model.encode(data::model_input(read_samples(dataset, first_of(b), rows_of(b)), format));
      const at::Tensor rows = point ? posterior.mu : at::cat({posterior.mu, posterior.log_var}, 1);
      mine.narrow(0, 0, rows.size(0)).copy_(rows);
    }
    all_ranks.all_gather(
        {mine.data_ptr(), static_cast<std::int64_t>(mine.nbytes()), comm::DataType::uint8},
        {everyone.data_ptr(), static_cast<std::int64_t>(everyone.nbytes()), comm::DataType::uint8});
    for (std::int64_t b = round; b < std::min(round + ranks, blocks); ++b) {
      const at::Tensor rows = everyone[b - round].narrow(0, 0, rows_of(b));
      take({first_of(b), rows.narrow(1, 0, latent),
            point ? at::Tensor() : rows.narrow(1, latent, latent)});
    }
  }
}

EncodedBlock encode_rows(model::LatentModel& model, const data::SampleDataset& dataset,
                         data::RowRange samples, const data::InputFormat& format,
                         std::int64_t block, comm::CpuCommunicator& all_ranks) {
  std::vector<at::Tensor> mu, log_var;
  encode_in_blocks(model, dataset, samples, format, block, all_ranks,
                   [&](const EncodedBlock& part) {
                     mu.push_back(part.mu.clone());
                     if (part.log_var.defined()) log_var.push_back(part.log_var.clone());
                   });
  return {samples.first, at::cat(mu), log_var.empty() ? at::Tensor() : at::cat(log_var)};
}

}  // namespace vae_dist::evaluate
