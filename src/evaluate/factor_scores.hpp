// The disentanglement scores of a model on data whose factors of variation are in the file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/annotation_rows.hpp"

namespace vae_dist::evaluate {

struct FactorScores {
  std::string dataset;               ///< "latents/classes"
  std::vector<std::string> factors;  ///< those that vary
  std::int64_t rows = 0;
  double beta_vae = 0, factor_vae = 0, mig = 0, sap = 0;  ///< see disentanglement/*.hpp
};

/// Returns the dataset in which the file of these images holds the classes of their factors:
/// "latents/classes" or "latents_classes", [N, F] with F of at least 2. Labels do not count: they
/// are classes of images, not factors that made them. Empty if there is none.
std::optional<std::string> factor_classes_of(const data::SampleDataset& dataset);

/// Computes the scores of mu [N, L] of `samples`; `path` is the dataset of their factors. Ranks
/// share the work; the result has the same bits for any number of ranks. Throws BadInput like
/// FactoredLatents and read_annotation, on all ranks alike. A collective over `all_ranks`.
FactorScores factor_scores(const at::Tensor& mu, const data::SampleDataset& dataset,
                           arrays::RowRange samples, const std::string& path, std::uint64_t seed,
                           comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
