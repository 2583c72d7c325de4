#include "evaluate/measure.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "base/text.hpp"

namespace vae_dist::evaluate {
namespace {

std::string log_p_name(std::int64_t draws) { return base::text("log_p_of_", draws, "_draws"); }

bool grows(const std::string& name) {
  return name == "elbo_nats" || name == "active_units" || name == "effective_samples" ||
         name.starts_with("log_p_of_");
}

}  // namespace

bool Measure::is_better(double value, std::optional<double> best) const {
  if (!std::isfinite(value)) return false;
  return !best || (more_is_better ? value > *best : value < *best);
}

Measure measure_named(const std::string& written, bool has_final_loss) {
  static const std::map<std::string, std::string> kShort = {
      {"elbo", "elbo_nats"},
      {"reconstruction", "reconstruction_loss"},
      {"validation_loss", "loss"},
      {"validation_reconstruction_loss", "reconstruction_loss"},
      {"validation_mse", "mse"}};
  constexpr std::string_view kPrefix = "evaluation_";
  std::string name = written.starts_with(kPrefix) ? written.substr(kPrefix.size()) : written;
  if (const auto found = kShort.find(name); found != kShort.end()) name = found->second;
  if (name == "loss" && has_final_loss) name = "final_loss";
  const bool more = grows(name);
  return {std::move(name), more};
}

std::vector<std::string> measure_names(base::LatentKind kind,
                                       const objective::ObjectiveOptions& objective,
                                       const EvaluationOptions& options) {
  const bool posterior = kind == base::LatentKind::posterior;
  std::vector<std::string> out = {options.final_weights ? "final_loss" : "loss",
                                  "reconstruction_loss"};
  if (posterior) out.emplace_back("kld");
  if (kind != base::LatentKind::none) out.emplace_back("mse");
  if (posterior) out.emplace_back("active_units");
  if (posterior && options.is_likelihood)
    out.insert(out.end(), {std::string("elbo_nats"), std::string("bits_per_dim")});
  const std::vector<std::int64_t> draws = counts_of_draws(kind, objective, options);
  for (const std::int64_t count : draws) out.push_back(log_p_name(count));
  if (!draws.empty()) out.emplace_back("effective_samples");
  if (kind != base::LatentKind::none)
    for (const objective::RegulariserTerm& term :
         objective::evaluated_terms(objective.regularisers))
      out.push_back(term.name);
  out.insert(out.end(), objective.script_terms.begin(), objective.script_terms.end());
  return out;
}

std::vector<std::pair<std::string, double>> measured(const Evaluation& result) {
  std::vector<std::pair<std::string, double>> out;
  if (result.final_loss)
    out.emplace_back("final_loss", *result.final_loss);
  else
    out.emplace_back("loss", result.loss);
  out.emplace_back("reconstruction_loss", result.reconstruction);
  if (result.active_units) out.emplace_back("kld", result.kld_nats);
  if (result.reconstructs) out.emplace_back("mse", result.mse);
  if (result.active_units)
    out.emplace_back("active_units", static_cast<double>(*result.active_units));
  if (result.elbo_nats) out.emplace_back("elbo_nats", *result.elbo_nats);
  if (result.bits_per_dim) out.emplace_back("bits_per_dim", *result.bits_per_dim);
  for (const Evaluation::LogP& estimate : result.log_p)
    out.emplace_back(log_p_name(estimate.draws), estimate.nats);
  if (result.effective_samples) out.emplace_back("effective_samples", *result.effective_samples);
  for (const auto* terms : {&result.regularisers, &result.script_terms})
    out.insert(out.end(), terms->begin(), terms->end());
  return out;
}

double value_of(const Measure& measure, const Evaluation& result) {
  const auto all = measured(result);
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& each) { return each.first == measure.name; });
  if (found == all.end())
    throw std::logic_error("the evaluation has no measure '" + measure.name + "'");
  return found->second;
}

std::string spoken(const Measure& measure) {
  static const std::map<std::string, std::string> kTitles = {
      {"final_loss", "loss at the final weights"},
      {"reconstruction_loss", "reconstruction loss"},
      {"kld", "KL"},
      {"mse", "MSE"},
      {"elbo_nats", "ELBO"},
      {"bits_per_dim", "bits per dimension"}};
  if (const auto found = kTitles.find(measure.name); found != kTitles.end()) return found->second;
  std::string out = measure.name;
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

}  // namespace vae_dist::evaluate
