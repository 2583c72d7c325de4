// Lists the runs below a folder, from what their directories tell.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluate/measure.hpp"

namespace vae_dist::train {

struct ListedRun {
  std::string name;   ///< its path below the folder
  std::string state;  ///< "running", "finished", "stopped", "failed" (also if it was killed), or
                      ///< "unreadable"; then nothing else is known but the reason
  std::string unreadable;  ///< why it is
  std::int64_t step = 0;
  std::optional<std::int64_t> steps_planned;  ///< empty: an older run whose epochs count
  std::optional<evaluate::Measure> measure;   ///< by which its evaluations are compared
  std::optional<double> best;                 ///< on the validation rows
  std::int64_t best_step = 0;
  std::optional<double> samples_per_second;  ///< median of the last logged steps
  std::optional<double> age;                 ///< seconds since its last record
  std::map<std::string, std::string>
      configuration;  ///< key and value, as YAML, of all that have an effect; empty: it cannot be
                      ///< read, as that of another version
  std::vector<std::pair<std::string, std::string>>
      differs;  ///< those of `configuration` that not all listed runs have
};

/// Returns all runs in the folder and the folders below it, in no order, or the run whose directory
/// the folder is. A run or a folder that cannot be read is listed as such. Throws BadInput if there
/// is no such folder.
std::vector<ListedRun> list_runs(const std::filesystem::path& folder);

/// Sorts by a key of the configuration, or by one of: name, state, step, best, samples_per_second,
/// age (the best, fastest, newest and furthest first). Runs that have no such value come last.
/// Throws BadInput if `by` is none of these.
void sort_runs(std::vector<ListedRun>& runs, const std::string& by);

}  // namespace vae_dist::train
