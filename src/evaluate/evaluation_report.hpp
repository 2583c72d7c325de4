// A full evaluation as a table for people and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "evaluate/evaluation.hpp"
#include "evaluate/full_evaluation.hpp"
#include "objective/objective.hpp"

namespace vae_dist::evaluate {

/// What was evaluated, on what.
struct EvaluationSubject {
  std::string checkpoint, model,
      data;  ///< for people: where it lies, the model's name, SampleDataset::description()
  std::int64_t step = 0;
  data::RowRange samples;
  double kld_weight = 0, beta = 1;  ///< M_N and beta of the loss
  bool has_kld = true;              ///< an autoencoder and a decoder alone have none
  std::string reconstruction_unit;  ///< "squared error per value", "nats per sample"
};

/// The unit of what the objective calls the reconstruction.
std::string reconstruction_unit(const objective::ObjectiveOptions& objective,
                                const base::LikelihoodTraits& likelihood);

/// A line a figure with its unit; what does not exist for this model has no line.
std::string evaluation_table(const EvaluationSubject& subject, const FullEvaluation& result);

/// The same figures, floats with all their digits. Nothing in it depends on the number of ranks or
/// on the time.
nlohmann::ordered_json evaluation_json(const EvaluationSubject& subject,
                                       const FullEvaluation& result);

/// A table of columns: the first aligned left, the others right; two spaces between. Rows may be
/// shorter than the header.
std::string text_columns(const std::vector<std::vector<std::string>>& rows);

// An evaluation as a line for people.

/// "loss 0.0123, MSE 0.0053 (mean image 0.031), KL 12.2 nats, ELBO -89.9 nats, ...".
std::string evaluation_text(const Evaluation& result, double mean_image_mse);

}  // namespace vae_dist::evaluate
