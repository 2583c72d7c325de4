#include "evaluate/factor_scores.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "disentanglement/beta_vae_score.hpp"
#include "disentanglement/factor_vae_score.hpp"
#include "disentanglement/mutual_information_gap.hpp"
#include "disentanglement/sap_score.hpp"
#include "evaluate/shared_tasks.hpp"

namespace vae_dist::evaluate {

std::optional<std::string> factor_classes_of(const data::SampleDataset& dataset) {
  for (const hdf5::Hdf5Dataset& annotation : dataset.annotations())
    if ((annotation.path() == "latents/classes" || annotation.path() == "latents_classes") &&
        annotation.shape().size() == 2 && annotation.shape()[1] > 1)
      return annotation.path();
  return std::nullopt;
}

FactorScores factor_scores(const at::Tensor& mu, const data::SampleDataset& dataset,
                           arrays::RowRange samples, const std::string& path, std::uint64_t seed,
                           comm::CpuCommunicator& all_ranks) {
  std::vector<std::int64_t> wanted(static_cast<std::size_t>(samples.size()));
  std::iota(wanted.begin(), wanted.end(), samples.first);
  const data::AnnotationRows<std::int64_t> rows =
      data::read_annotation_integers(dataset, path, wanted);
  at::Tensor classes = at::empty({samples.size(), rows.columns}, at::kLong);
  std::copy(rows.values.begin(), rows.values.end(), classes.data_ptr<std::int64_t>());

  std::vector<std::string> names = rows.names;
  for (std::int64_t f = static_cast<std::int64_t>(names.size()); f < rows.columns; ++f)
    names.push_back("factor " + std::to_string(f));
  names.resize(static_cast<std::size_t>(rows.columns));
  std::vector<bool> ordered;
  for (const std::string& name : names) ordered.push_back(disentanglement::is_ordered_factor(name));

  const disentanglement::FactoredLatents latents(mu, classes, names, ordered);
  FactorScores out{.dataset = path, .factors = {}, .rows = samples.size()};
  for (std::int64_t f = 0; f < latents.factors(); ++f) out.factors.push_back(latents.name(f));
  const std::vector<double> scores =
      share_tasks({[&] { return std::vector{disentanglement::beta_vae_score(latents, seed)}; },
                   [&] { return std::vector{disentanglement::factor_vae_score(latents, seed)}; },
                   [&] { return std::vector{disentanglement::mutual_information_gap(latents)}; },
                   [&] { return std::vector{disentanglement::sap_score(latents, seed)}; }},
                  1, all_ranks);
  out.beta_vae = scores[0];
  out.factor_vae = scores[1];
  out.mig = scores[2];
  out.sap = scores[3];
  return out;
}

}  // namespace vae_dist::evaluate
