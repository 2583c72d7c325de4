// How the ranks that are left after a failure agree on who saves the last step. MPI is broken then,
// so they agree by files in the run's directory:
//
//   survivors/<start>_rank_2.json
//     what rank 2 has: its last applied step, and the hash of its state
//   survivors/<start>_result.json
//     what the rank that was to write has done
//
// `start` is random and drawn anew by every start, so that files of an earlier one count for
// nothing. The next start removes the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace vae_dist::run {

/// What one rank has left.
struct Survivor {
  std::string start;
  int rank = 0;
  std::string host;
  std::int64_t step = 0;  ///< the last that was applied
  std::string state;      ///< hash of weights and optimizer state after it
};

std::string to_json(const Survivor& survivor);

/// Returns nothing for a text that to_json() cannot have made.
std::optional<Survivor> survivor_in(const std::string& text);

/// Who writes what. Pure.
struct Writer {
  int rank = -1;  ///< -1: nobody
  std::int64_t step = 0;
  std::string why_nobody = {};
};

/// Chooses the lowest rank of this start that has the highest step. Nobody writes if there is no
/// survivor, or if ranks have different states after that step.
Writer choose_writer(const std::vector<Survivor>& survivors, const std::string& start);

/// The result of the rank that was to write.
struct SurvivorsResult {
  int rank = -1;
  std::int64_t step = 0;
  std::string failure = {};  ///< why nothing was written; empty: the checkpoint is there
};

/// The files of one start.
class SurvivorFiles {
 public:
  SurvivorFiles(std::filesystem::path folder, std::string start);

  /// Creates or replaces a file; readers see it whole or not at all. Throws Failure.
  void leave(const Survivor& survivor) const;
  void leave(const SurvivorsResult& result) const;

  /// Returns what was left so far. Skips files that cannot be read.
  std::vector<Survivor> survivors() const;
  std::optional<SurvivorsResult> result() const;

 private:
  void replace(const std::string& name, const std::string& text) const;

  std::filesystem::path folder_;
  std::string start_;
};

struct SurvivorsTerms {
  /// This rank's state; nothing if it has none that could be saved.
  std::optional<Survivor> mine;
  /// Whether nobody is to be waited for any more, given the ranks that have left their file.
  std::function<bool(const std::vector<Survivor>&)> all_are_there;
  base::Seconds to_gather{0};  ///< waits no longer than this for the others' files
  base::Seconds to_write{0};   ///< and no longer than this for the one that writes
  /// Writes this rank's state. Returns why it could not; empty: it is written. Called at most once.
  std::function<std::string()> write;
};

/// Takes part in the agreement. Returns the result that this rank knows in the end: its own, that
/// of another rank, or why there is none (rank -1). Does not throw.
SurvivorsResult agree_and_write(const SurvivorFiles& files, const std::string& start,
                                const SurvivorsTerms& terms);

/// Returns a random identity of a start: 16 hexadecimal digits.
std::string random_start();

}  // namespace vae_dist::run
