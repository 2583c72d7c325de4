#include "train/compared_by.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"

namespace vae_dist::train {
namespace {

evaluate::Measure measure_of_key(const char* key, const std::string& written,
                                 const std::vector<std::string>& names) {
  const auto there = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  evaluate::Measure out = evaluate::measure_named(written, there("final_loss"));
  if (there(out.name)) return out;
  std::string list;
  for (const std::string& name : names)
    list += (list.empty() ? "" : ", ") + (name == "final_loss" ? "loss" : name);
  throw base::BadInput(base::text(
      key, " is ", written, ", which this run's evaluations do not have; choose one of ", list));
}

// Older programs noted the loss as weighted at the step.
bool is_noted_by(const std::string& noted, const evaluate::Measure& measure) {
  return noted.empty() ? measure.name != "final_loss" : noted == measure.name;
}

}  // namespace

ComparedBy compared_by(const config::Config& config, const objective::ObjectiveOptions& objective,
                       const evaluate::EvaluationOptions& options) {
  const std::vector<std::string> names =
      evaluate::measure_names(config::latent_kind(config.model), objective, options);
  return {measure_of_key("checkpoint.best", config.checkpoint.best, names),
          measure_of_key("train.early_stop.metric", config.train.early_stop.metric, names)};
}

std::string forget_other_measures(const ComparedBy& by, checkpoint::TrainingState& state) {
  std::string forgotten;
  // Before measures could be chosen, the best checkpoint was always that of the best loss.
  const std::string best_by = state.best_measure.empty() ? "loss" : state.best_measure;
  if (state.best_validation && best_by != by.best.name) {
    forgotten =
        base::text("the best checkpoint so far, of step ", state.best_step, ", was chosen by ",
                   state.best_measure.empty() ? "the loss as weighted at its own step"
                                              : "the " + evaluate::spoken({state.best_measure}),
                   ". This run compares by the ", evaluate::spoken(by.best),
                   " (checkpoint.best), so it is forgotten. ");
    state.best_validation.reset();
    state.best_step = -1;
  }
  if (state.best_stop_metric && !is_noted_by(state.stop_measure, by.stop)) {
    forgotten +=
        base::text("train.early_stop counts anew, by the ", evaluate::spoken(by.stop), ". ");
    state.best_stop_metric.reset();
    state.evaluations_since_best = 0;
  }
  state.best_measure = by.best.name;
  state.stop_measure = by.stop.name;
  if (!forgotten.empty()) forgotten.pop_back();
  return forgotten;
}

}  // namespace vae_dist::train
