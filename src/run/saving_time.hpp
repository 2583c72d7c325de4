// How long it takes to save the last step after a failure, and how long there is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "run/launcher_facts.hpp"

namespace vae_dist::run {

/// Notes in a run's directory how long its last checkpoint took to write, for the next start and
/// for its launcher. A failure is ignored: nothing depends on it but time limits.
void write_checkpoint_time(const std::filesystem::path& file, base::Seconds took);

/// Returns nothing if the file is not there or damaged.
std::optional<base::Seconds> read_checkpoint_time(const std::filesystem::path& file);

struct SavingTimes {
  base::Seconds to_hold{0};    ///< for an update that has begun to end, and for a device's copy
  base::Seconds to_gather{0};  ///< for the other survivors to say what they have
  base::Seconds to_write{0};
  base::Seconds all() const { return to_hold + to_gather + to_write; }
};

/// Returns the limits for a state of this size. `last`: how long the last checkpoint took. `most`:
/// the limit of a checkpoint in a healthy run, which no failure exceeds. Pure.
SavingTimes saving_times(std::int64_t state_bytes, std::optional<base::Seconds> last,
                         base::Seconds most);

/// Shortens the limits to what is left when mpirun kills this rank `until_killed` after a loss.
SavingTimes within(const SavingTimes& times, base::Seconds until_killed);

/// Describes for the start table what becomes of the last step if a rank is lost.
std::string lost_rank_text(const LauncherFacts& launcher, std::optional<base::Seconds> last);

}  // namespace vae_dist::run
