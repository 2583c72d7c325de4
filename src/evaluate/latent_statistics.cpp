#include "evaluate/latent_statistics.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "evaluate/encoded_rows.hpp"

namespace vae_dist::evaluate {
namespace {

// The moments of a number over samples. Sums of squares about zero would lose all digits where a
// mean is far from zero.
struct Moments {
  double count = 0, mean = 0, squares = 0;  // squares: about the mean
  double noise = 0;                         // sum of exp(log_var)

  // Chan, Golub, LeVeque 1979, "Updating Formulae and a Pairwise Algorithm", eq. 2.1.
  void merge(const Moments& other) {
    if (other.count == 0) return;
    const double all = count + other.count, apart = other.mean - mean;
    squares += other.squares + apart * apart * count * other.count / all;
    mean += apart * other.count / all;
    noise += other.noise;
    count = all;
  }
};

// Sums in plain loops, whose order does not depend on the number of threads.
std::vector<Moments> moments_of(const EncodedBlock& block) {
  const at::Tensor mu = block.mu.to(at::kDouble).contiguous();
  const at::Tensor variance =
      block.log_var.defined() ? block.log_var.to(at::kDouble).exp().contiguous() : at::Tensor();
  const std::int64_t rows = mu.size(0), latent = mu.size(1);
  std::vector<Moments> out(static_cast<std::size_t>(latent));
  const double* const values = mu.const_data_ptr<double>();
  const double* const noises = variance.defined() ? variance.const_data_ptr<double>() : nullptr;
  for (std::int64_t j = 0; j < latent; ++j) {
    Moments& of = out[static_cast<std::size_t>(j)];
    of.count = static_cast<double>(rows);
    for (std::int64_t i = 0; i < rows; ++i) of.mean += values[i * latent + j];
    of.mean /= of.count;
    for (std::int64_t i = 0; i < rows; ++i) {
      const double apart = values[i * latent + j] - of.mean;
      of.squares += apart * apart;
      if (noises) of.noise += noises[i * latent + j];
    }
  }
  return out;
}

// Merges `each` consecutive entries.
CodeMoments merged(const std::vector<Moments>& dimensions, std::size_t each) {
  CodeMoments out;
  for (std::size_t first = 0; first < dimensions.size(); first += each) {
    Moments all;
    for (std::size_t i = first; i < first + each; ++i) all.merge(dimensions[i]);
    const double of_mean = all.squares / all.count;
    out.mean.push_back(all.mean);
    out.deviation.push_back(std::sqrt(of_mean + all.noise / all.count));
    out.deviation_of_mean.push_back(std::sqrt(of_mean));
  }
  return out;
}

}  // namespace

LatentStatistics latent_statistics(model::LatentModel& model, const data::SampleDataset& dataset,
                                   arrays::RowRange samples, const data::InputFormat& format,
                                   std::int64_t block, std::int64_t channels,
                                   comm::CpuCommunicator& all_ranks) {
  const auto latent = static_cast<std::size_t>(model.latent_values()),
             wide = static_cast<std::size_t>(channels);
  if (wide == 0 || latent % wide != 0)
    throw std::logic_error("the channels of a latent divide its values");
  // The blocks of different ranks come in turns. They are merged in their order in the end, so that
  // the result has the same bits for any number of ranks.
  std::vector<std::vector<Moments>> of_blocks(
      static_cast<std::size_t>((samples.size() + block - 1) / block));
  encode_in_blocks(model, dataset, samples, format, block, all_ranks,
                   [&](const EncodedBlock& part) {
                     of_blocks[static_cast<std::size_t>((part.first - samples.first) / block)] =
                         moments_of(part);
                   });
  std::vector<Moments> total(latent);
  for (const std::vector<Moments>& of_block : of_blocks)
    for (std::size_t j = 0; j < latent; ++j) total[j].merge(of_block[j]);
  LatentStatistics out;
  out.rows = samples.size();
  out.dimensions = merged(total, 1);
  out.channels = merged(total, latent / wide);
  out.all = merged(total, latent);
  return out;
}

}  // namespace vae_dist::evaluate
