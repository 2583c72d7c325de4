#include "evaluate/aggregate_parts.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "evaluate/encoded_rows.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/shared_tasks.hpp"
#include "kernels/aggregate_posterior.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::int64_t kMostCodes = 2048;
constexpr std::int64_t kCodesAtOnce = 32;  // the densities of so many codes are in memory at once

}  // namespace

AggregateParts aggregate_parts(model::LatentModel& model, const data::SampleDataset& training,
                               const data::InputFormat& format, std::int64_t block,
                               std::uint64_t seed, comm::CpuCommunicator& all_ranks) {
  const at::NoGradGuard no_grad;
  AggregateParts out;
  out.rows = training.size();
  out.codes = std::min(out.rows, kMostCodes);
  const EncodedBlock posteriors =
      encode_rows(model, training, {0, out.rows}, format, block, all_ranks);
  const double log_weight = -std::log(static_cast<double>(out.rows)),
               log_2_pi = std::log(2 * std::numbers::pi);

  const std::int64_t blocks = (out.codes + kCodesAtOnce - 1) / kCodesAtOnce;
  const std::vector<double> sums = measure_blocks(blocks, 3, all_ranks, [&](std::int64_t b) {
    std::vector<at::Tensor> codes, own;
    for (std::int64_t k = b * kCodesAtOnce; k < std::min(out.codes, (b + 1) * kCodesAtOnce); ++k) {
      const std::int64_t row = k * out.rows / out.codes;
      const at::Tensor noise = keyed_noise(model, base::Purpose::evaluation, seed, row, 1)
                                   .to(posteriors.mu.options()),
                       log_var = posteriors.log_var.narrow(0, row, 1);
      codes.push_back(model::reparameterize({posteriors.mu.narrow(0, row, 1), log_var}, noise));
      own.push_back(-0.5 * (noise.square() + log_var + log_2_pi).sum(1));
    }
    const at::Tensor z = at::cat(codes);
    const kernels::AggregateDensities densities = kernels::aggregate_densities(
        {z, posteriors.mu, posteriors.log_var, 0, log_weight, log_weight});
    const at::Tensor whole = densities.log_q_z.to(at::kDouble),
                     dimensions = densities.log_q_dimensions.to(at::kDouble).sum(1),
                     prior = -0.5 * (z.to(at::kDouble).square() + log_2_pi).sum(1);
    return std::vector<double>{(whole - dimensions).sum().item<double>(),
                               (at::cat(own).to(at::kDouble) - whole).sum().item<double>(),
                               (dimensions - prior).sum().item<double>()};
  });
  for (std::int64_t b = 0; b < blocks; ++b) {
    const auto at = static_cast<std::size_t>(3 * b);
    out.total_correlation += sums[at] / static_cast<double>(out.codes);
    out.index_code += sums[at + 1] / static_cast<double>(out.codes);
    out.dimension_wise += sums[at + 2] / static_cast<double>(out.codes);
  }
  return out;
}

}  // namespace vae_dist::evaluate
