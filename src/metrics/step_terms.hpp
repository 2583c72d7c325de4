// The numbers that a step and an evaluation report. The two tables at the end give the name and the
// meaning of each; log, Prometheus, progress line and report iterate over them. An objective
// describes its additional terms itself (objective/objective.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/term.hpp"

namespace vae_dist::metrics {

/// One finished step. Loss terms are global means; the KL divergence is in nats, positive.
struct StepMetrics {
  std::int64_t step = 0, epoch = 0;
  double loss = 0, reconstruction_loss = 0, kld_nats = 0, kld_weight = 0, beta = 1,
         learning_rate = 0, gradient_norm = 0;
  bool skipped = false;      ///< loss or gradient not finite, or above the limit
  std::int64_t samples = 0;  ///< of this rank
  double step_seconds = 0, data_wait_seconds = 0, allreduce_wait_seconds = 0;
  std::uint64_t allreduce_bytes = 0;
  std::uint64_t read_bytes = 0;          ///< from data files, by this process so far
  std::vector<double> extra_terms = {};  ///< of the objective, in the order of RunFacts
};

struct StepTerm {
  base::Term term;
  double StepMetrics::* value;
  bool of_outcome = false;      ///< undefined for a skipped step: series keep the last valid value
  const char* brief = nullptr;  ///< its name in the progress line; null: not shown there
  const char* brief_unit = "";
};

/// In the order of metrics.jsonl.
const std::vector<StepTerm>& step_terms();

/// One evaluation. Quantities that do not exist for this model are empty.
struct EvaluationMetrics {
  bool validation = true;  ///< on the validation rows; false: on the training rows
  std::optional<double> loss = {}, reconstruction_loss = {}, kld_nats = {}, mse = {},
                        mean_image_mse = {}, elbo_nats = {}, bits_per_dim = {}, active_units = {},
                        final_loss = {};
  std::optional<bool> collapsed = {};  ///< empty while it is too early to tell
};

struct EvaluationTerm {
  base::Term term;
  std::optional<double> EvaluationMetrics::* value;
  bool of_validation = false;  ///< its series covers only evaluations on the validation rows
};

/// In the order of metrics.jsonl.
const std::vector<EvaluationTerm>& evaluation_terms();

/// Returns the name of an evaluation's term beside a step's term of the same meaning: "loss" for
/// "evaluation_loss".
std::string name_beside_a_step(const std::string& name);

/// Writes the meaning of the terms to a file beside metrics.jsonl, for readers that do not have the
/// program's tables. Throws Failure if it cannot be written.
void write_terms(const std::filesystem::path& file, const std::vector<base::Term>& terms);

/// Reads the terms from such a file. Returns an empty list if there is no such file or it cannot be
/// parsed, as for runs of earlier versions.
std::vector<base::Term> read_terms(const std::filesystem::path& file);

}  // namespace vae_dist::metrics
