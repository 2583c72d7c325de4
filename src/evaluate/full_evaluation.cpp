#include "evaluate/full_evaluation.hpp"

#include "base/error.hpp"
#include "evaluate/encoded_rows.hpp"
#include "evaluate/mean_image.hpp"

namespace vae_dist::evaluate {

FullEvaluation evaluate_fully(model::LatentModel& model, const objective::Objective& objective,
                              const data::SampleDataset& dataset, const EvaluationOptions& options,
                              std::int64_t coverage_samples, comm::CpuCommunicator& all_ranks) {
  const arrays::RowRange samples{options.first, options.first + options.samples};
  FullEvaluation out;
  out.evaluation = evaluate(model, objective, dataset, options, all_ranks);
  out.mean_image_mse =
      mean_image_mse(dataset, options.format, options.samples, all_ranks, options.first);
  if (coverage_samples > 0)
    out.sample_quality = sample_quality(model, dataset, samples, options.format, coverage_samples,
                                        options.seed, all_ranks);
  if (model.latent_kind() == base::LatentKind::none) return out;
  if (const auto path = factor_classes_of(dataset)) {
    const EncodedBlock encoded =
        encode_rows(model, dataset, samples, options.format, options.block, all_ranks);
    try {
      out.factor_scores =
          factor_scores(encoded.mu, dataset, samples, *path, options.seed, all_ranks);
    } catch (const base::BadInput& error) {
      out.no_scores_because = error.what();  // the same on every rank, thrown before any exchange
    }
  }
  return out;
}

}  // namespace vae_dist::evaluate
