#include "train/survivors_checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "parallel/replicate.hpp"
#include "run/run_directory.hpp"
#include "run/saving_time.hpp"
#include "run/stop_signal.hpp"
#include "run/survivors.hpp"

namespace vae_dist::train {
namespace {

std::string state_hash(const checkpoint::Checkpoint& checkpoint) {
  std::vector<at::Tensor> all;
  for (const auto* const file : {&checkpoint.weights, &checkpoint.optimizer})
    for (const auto& [name, tensor] : file->tensors) all.push_back(tensor);
  return base::hash_name(parallel::hash_tensors(all));
}

std::optional<checkpoint::Checkpoint> what_is_left(LastStep& last, base::Seconds limit) {
  try {
    return last.checkpoint(limit);
  } catch (const std::exception& error) {
    log::warn(base::text("this rank has nothing to save: ", error.what()));
    return std::nullopt;
  }
}

void write(const checkpoint::Checkpoint& left, const SurvivorsRequest& request) {
  const run::RunDirectory directory(request.config.run);
  // The lock of rank 0 dies with it, and the next start may come at any time.
  std::unique_ptr<run::RunLock> lock;
  if (!request.holds_lock)
    lock = std::make_unique<run::RunLock>(
        run::LockLocation{directory.lock(), {}}, request.identity.job, [](const std::string&) {},
        run::RunLock::kHeartbeat, request.identity.lock);
  const std::filesystem::path written =
      checkpoint::write_checkpoint(directory.checkpoints(), left, request.rank);
  std::vector<std::filesystem::path> protect = {written};
  if (left.state.best_step >= 0)
    protect.push_back(
        checkpoint::checkpoint_directory(directory.checkpoints(), left.state.best_step));
  try {
    checkpoint::prune_checkpoints(directory.checkpoints(), request.config.checkpoint.keep, protect);
  } catch (const std::exception& error) {
    log::warn(base::text("could not remove old checkpoints: ", error.what()));
  }
}

bool is_there(const checkpoint::Checkpoint& left, const run::RunDirectory& directory) {
  std::error_code ignored;
  return std::filesystem::exists(
      checkpoint::checkpoint_directory(directory.checkpoints(), left.state.step) / "manifest.json",
      ignored);
}

}  // namespace

void save_with_survivors(LastStep& last, const SurvivorsRequest& request) {
  const run::RunDirectory directory(request.config.run);
  run::SavingTimes times =
      run::saving_times(request.state_bytes, run::read_checkpoint_time(directory.checkpoint_time()),
                        base::Seconds(request.config.distributed.slow_timeout_s));
  if (run::mpirun_ends()) times = run::within(times, request.launcher.until_killed);

  const std::optional<checkpoint::Checkpoint> left = what_is_left(last, times.to_hold);
  run::SurvivorsTerms terms;
  bool is_new = false;
  if (left)
    terms.mine = run::Survivor{request.identity.start, request.rank, request.host, left->state.step,
                               state_hash(*left)};
  terms.all_are_there = [&](const std::vector<run::Survivor>& found) {
    for (int rank = 0; rank < request.ranks; ++rank)
      if (std::ranges::find(found, rank, &run::Survivor::rank) == found.end() &&
          !request.has_ended(rank))
        return false;
    return true;
  };
  terms.to_gather = times.to_gather;
  terms.to_write = times.to_write;
  terms.write = [&]() -> std::string {
    if (left->state.step == 0 || is_there(*left, directory)) return "";
    is_new = true;
    try {
      write(*left, request);
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  };
  const run::SurvivorsResult result =
      run::agree_and_write(run::SurvivorFiles(directory.survivors(), request.identity.start),
                           request.identity.start, terms);
  // One message is enough where one rank was to write.
  if (result.rank >= 0 && result.rank != request.rank) return;
  if (result.rank < 0 || !result.failure.empty()) {
    log::warn(
        base::text("the last step was not saved, so the run goes on from its last checkpoint: ",
                   result.failure));
  } else if (is_new) {
    log::warn(base::text("saved the last step before the failure, ", result.step,
                         ": the same command continues from it"));
  }
}

}  // namespace vae_dist::train
