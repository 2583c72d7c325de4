// The parts of the mean KL divergence (Chen et al. 2018, eq. 2; objective/total_correlation.cpp),
// with q(z) taken over the posteriors of all training rows. A batch's estimate of them depends on
// its size; this one does not.
#pragma once

#include <cstdint>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

/// In nats, averaged over codes z ~ q(z|x) of training rows.
struct AggregateParts {
  double total_correlation = 0;  ///< E log q(z) - sum_d log q(z_d)
  double index_code = 0;         ///< E log q(z|x) - log q(z), at most log rows
  double dimension_wise = 0;     ///< E sum_d [log q(z_d) - log p(z_d)]
  std::int64_t rows = 0;         ///< whose posteriors q(z) is the mean of
  std::int64_t codes = 0;        ///< drawn from rows at equal distances
};

/// training: all rows that q(z) is taken over; `format` and `block` are theirs. The model must have
/// a posterior. The same bits at any number of ranks. Costs codes * rows * L exponentials, and
/// memory for the posteriors of all rows. A collective over `all_ranks`.
AggregateParts aggregate_parts(model::LatentModel& model, const data::SampleDataset& training,
                               const data::InputFormat& format, std::int64_t block,
                               std::uint64_t seed, comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
