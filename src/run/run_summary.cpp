#include "run/run_summary.hpp"

#include <cmath>
#include <filesystem>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "metrics/progress.hpp"

namespace vae_dist {

std::string run_summary(const SummaryFacts& facts, const RunDirectory& directory) {
  const double speed = static_cast<double>(facts.steps * facts.global_batch) / facts.time.count();
  const std::string work = text(facts.steps, facts.steps == 1 ? " step in " : " steps in ", hours_minutes_seconds(facts.time), ", ", std::llround(speed), " samples/s");
  TableRows rows;
  if (facts.best) rows.emplace_back("best validation", text("loss ", digits(facts.best->loss), " at step ", facts.best->step));
  rows.emplace_back("last checkpoint", facts.checkpoint);
  rows.emplace_back("report", (directory.path() / "report.html").string());
  if (std::filesystem::exists(directory.pictures()) && !std::filesystem::is_empty(directory.pictures())) rows.emplace_back("pictures", directory.pictures().string());
  rows.emplace_back("metrics", directory.metrics().string());
  std::string table = format_table(rows);
  table.pop_back();  // the last newline: the message ends there
  return text(facts.stopped ? text("stopped on request after step ", facts.last_step, ": run the same command again to go on. ") : "done: ", work, "\n", table);
}

}  // namespace vae_dist
