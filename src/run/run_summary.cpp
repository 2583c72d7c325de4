#include "run/run_summary.hpp"

#include <cmath>
#include <filesystem>

#include "base/digits.hpp"
#include "base/energy_readings.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "metrics/progress.hpp"

namespace vae_dist::run {

namespace {

// ", 0.21 kWh, 38 J per 1,000 samples"
std::string energy_of(const SummaryFacts& facts) {
  if (!facts.joules) return "";
  const auto samples = static_cast<double>(facts.steps * facts.global_batch);
  return base::text(", ", base::energy_text(*facts.joules),
                    samples > 0
                        ? base::text(", ", base::energy_text(*facts.joules / samples * 1000),
                                     " per 1,000 samples")
                        : "");
}

}  // namespace

std::string run_summary(const SummaryFacts& facts, const RunDirectory& directory) {
  const double speed = static_cast<double>(facts.steps * facts.global_batch) / facts.time.count();
  const std::string work = base::text(facts.steps, facts.steps == 1 ? " step in " : " steps in ",
                                      metrics::hours_minutes_seconds(facts.time), ", ",
                                      std::llround(speed), " samples/s", energy_of(facts));
  base::TableRows rows;
  if (facts.best)
    rows.emplace_back("best validation",
                      base::text(evaluate::spoken(facts.best->measure), " ",
                                 base::digits(facts.best->value), " at step ", facts.best->step));
  rows.emplace_back("last checkpoint", facts.checkpoint);
  rows.emplace_back("report", (directory.path() / "report.html").string());
  if (std::filesystem::exists(directory.pictures()) &&
      !std::filesystem::is_empty(directory.pictures()))
    rows.emplace_back("pictures", directory.pictures().string());
  rows.emplace_back("metrics", directory.metrics().string());
  std::string table = base::format_table(rows);
  table.pop_back();  // drops the trailing newline of the message
  return base::text(facts.stopped ? base::text("stopped on request after step ", facts.last_step,
                                               ". Run the same command again to continue. ")
                                  : "done: ",
                    work, "\n", table);
}

}  // namespace vae_dist::run
