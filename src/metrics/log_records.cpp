#include "metrics/log_records.hpp"

namespace vae_dist::metrics {

LogRecord step_record(const StepMetrics& step, const std::vector<base::Term>& extra_terms,
                      std::int64_t global_batch) {
  const double samples_per_second =
      step.step_seconds > 0 ? static_cast<double>(global_batch) / step.step_seconds : 0;
  LogRecord record = {{"step", step.step}, {"epoch", step.epoch}};
  for (const StepTerm& each : step_terms()) record.emplace_back(each.term.name, step.*each.value);
  record.insert(record.end(), {{"skipped", std::int64_t{step.skipped}},
                               {"samples_per_second", samples_per_second},
                               {"step_seconds", step.step_seconds},
                               {"data_wait_seconds", step.data_wait_seconds},
                               {"allreduce_wait_seconds", step.allreduce_wait_seconds}});
  for (std::size_t i = 0; i < extra_terms.size(); ++i)
    record.emplace_back(extra_terms[i].name, step.extra_terms.at(i));
  return record;
}

LogRecord evaluation_record(const EvaluationMetrics& evaluation) {
  LogRecord record;
  for (const EvaluationTerm& each : evaluation_terms()) {
    const std::optional<double>& value = evaluation.*each.value;
    if (!value) continue;  // does not exist for this model
    if (each.term.counts)
      record.emplace_back(each.term.name, static_cast<std::int64_t>(*value));
    else
      record.emplace_back(each.term.name, *value);
  }
  return record;
}

}  // namespace vae_dist::metrics
