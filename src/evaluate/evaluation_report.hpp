// A full evaluation as a table for people and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "evaluate/evaluation.hpp"
#include "evaluate/full_evaluation.hpp"
#include "objective/objective.hpp"

namespace vae_dist::evaluate {

/// Which model was evaluated, and on which data.
struct EvaluationSubject {
  std::string checkpoint, model,
      data;  ///< for people: the checkpoint's location, the model's name,
             ///< SampleDataset::description()
  std::int64_t step = 0;
  arrays::RowRange samples;
  double kld_weight = 0, beta = 1;  ///< M_N and beta of the loss
  bool has_kld = true;              ///< false for an autoencoder and a decoder-only model
  std::string reconstruction_unit;  ///< "squared error per value", "nats per sample"
  std::string script = {};          ///< of a loss from Python: its file, and how its SHA-256 begins
};

/// Returns the unit of the objective's reconstruction term.
std::string reconstruction_unit(const objective::ObjectiveOptions& objective,
                                const base::LikelihoodTraits& likelihood);

/// Returns one line per figure with its unit. A figure that does not exist for this model has no
/// line.
std::string evaluation_table(const EvaluationSubject& subject, const FullEvaluation& result);

/// Returns the same figures as JSON, floats with all their digits. The result does not depend on
/// the number of ranks or on the time.
nlohmann::ordered_json evaluation_json(const EvaluationSubject& subject,
                                       const FullEvaluation& result);

/// Returns a table: the first column aligned left, the others right, separated by two spaces. Rows
/// may be shorter than the header.
std::string text_columns(const std::vector<std::vector<std::string>>& rows);

/// Returns an evaluation as a line for people: "loss 0.0123, MSE 0.0053 (mean image 0.031), KL 12.2
/// nats, ELBO -89.9 nats, ...".
std::string evaluation_text(const Evaluation& result, double mean_image_mse);

}  // namespace vae_dist::evaluate
