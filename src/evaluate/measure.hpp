// The numbers of an evaluation by which checkpoints are compared: checkpoint.best and
// train.early_stop.metric name one each.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluate/evaluation.hpp"

namespace vae_dist::evaluate {

struct Measure {
  std::string name = "loss";    ///< in metrics.jsonl, without the prefix evaluation_
  bool more_is_better = false;  ///< true for bounds of log p(x) and counts of what is used

  /// Whether `value` beats `best`. Any finite number beats no best; one that is not finite beats
  /// nothing.
  bool is_better(double value, std::optional<double> best) const;
};

/// Returns the measure that a configuration calls `written`: a name of metrics.jsonl with or
/// without its prefix evaluation_, or one of elbo, reconstruction, validation_loss,
/// validation_reconstruction_loss and validation_mse. Where evaluations have a `final_loss`, a loss
/// is that one.
Measure measure_named(const std::string& written, bool has_final_loss);

/// Returns the measures that evaluations of a model with this latent and objective have. The loss
/// is `final_loss` instead of `loss` where `options` hold final weights: a loss whose weights still
/// move cannot be compared between steps.
std::vector<std::string> measure_names(base::LatentKind kind,
                                       const objective::ObjectiveOptions& objective,
                                       const EvaluationOptions& options);

/// Returns the measures of an evaluation by name, in the order of measure_names().
std::vector<std::pair<std::string, double>> measured(const Evaluation& result);

/// Returns the value of a measure. Throws std::logic_error if the evaluation does not have it.
double value_of(const Measure& measure, const Evaluation& result);

/// Returns a measure's name for people: "loss at the final weights", "ELBO", "active units".
std::string spoken(const Measure& measure);

}  // namespace vae_dist::evaluate
