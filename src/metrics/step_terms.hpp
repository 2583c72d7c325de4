// What a step and an evaluation tell in numbers. The two tables at the end say of each what it is
// called and what it means; log, Prometheus, progress line and report walk them. What an objective
// has beside these terms it describes itself (objective/objective.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/term.hpp"

namespace vae_dist::metrics {

/// One finished step. Loss terms are global means; kld in nats, positive.
struct StepMetrics {
  std::int64_t step = 0, epoch = 0;
  double loss = 0, reconstruction_loss = 0, kld_nats = 0, kld_weight = 0, beta = 1,
         learning_rate = 0, gradient_norm = 0;
  bool skipped = false;      ///< not finite or above the limit
  std::int64_t samples = 0;  ///< of this rank
  double step_seconds = 0, data_wait_seconds = 0, allreduce_wait_seconds = 0;
  std::uint64_t allreduce_bytes = 0;
  std::uint64_t read_bytes = 0;          ///< of data files, by this process so far
  std::vector<double> other_terms = {};  ///< of the objective, as RunFacts names them
};

struct StepTerm {
  base::Term term;
  double StepMetrics::* value;
  bool of_outcome = false;      ///< a skipped step has none: series keep the last good one
  const char* brief = nullptr;  ///< how the progress line calls it; null: it has no room for it
  const char* brief_unit = "";
};

/// In the order of metrics.jsonl.
const std::vector<StepTerm>& step_terms();

/// An evaluation. What there is none of is absent.
struct EvaluationMetrics {
  bool validation = true;  ///< on the validation rows; false: on those of training
  std::optional<double> loss = {}, reconstruction_loss = {}, kld_nats = {}, mse = {},
                        mean_image_mse = {}, elbo_nats = {}, bits_per_dim = {}, active_units = {};
  std::optional<bool> collapsed = {};  ///< absent as long as it is too early to tell
};

struct EvaluationTerm {
  base::Term term;
  std::optional<double> EvaluationMetrics::* value;
  bool of_validation = false;  ///< its series is of evaluations on the validation rows alone
};

/// In the order of metrics.jsonl.
const std::vector<EvaluationTerm>& evaluation_terms();

/// What an evaluation's term is called where it stands beside a step's of the same meaning:
/// "evaluation_loss" is "loss".
std::string name_beside_a_step(const std::string& name);

/// What terms mean, in a file beside metrics.jsonl, for whoever reads the log without the program's
/// tables. Throws Failure where it cannot be written.
void write_terms(const std::filesystem::path& file, const std::vector<base::Term>& terms);

/// Name, title, unit and how it is drawn of each. Empty where there is no such file, or none that
/// can be read: a run of before.
std::vector<base::Term> read_terms(const std::filesystem::path& file);

}  // namespace vae_dist::metrics
