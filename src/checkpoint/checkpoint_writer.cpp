#include "checkpoint/checkpoint_writer.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist::checkpoint {
namespace {

// Protects `newest`, which has just been written: after a fallback to an older checkpoint it is not
// the newest by step.
void prune(const std::filesystem::path& root, std::int64_t keep,
           const std::filesystem::path& newest, std::vector<std::filesystem::path> protect) {
  protect.push_back(newest);
  try {
    prune_checkpoints(root, keep, protect);
  } catch (const std::exception& error) {
    log::warn(base::text("could not remove old checkpoints: ", error.what()));
  }
}

CheckpointWriter::Result write_and_prune(
    const std::filesystem::path& root, std::int64_t keep,
    // NOLINTNEXTLINE(performance-unnecessary-value-param): freed when written, not when read
    Checkpoint snapshot, std::vector<std::filesystem::path> protect) {
  const base::Stopwatch stopwatch;
  CheckpointWriter::Result result;
  try {
    result.directory = write_checkpoint(root, snapshot);
  } catch (const std::exception& error) {
    result.failure = error.what();
    log::warn(base::text("the checkpoint of step ", snapshot.state.step,
                         " was not written: ", error.what(), "; training continues without it"));
  }
  result.seconds = stopwatch.elapsed().count();
  if (!result.directory.empty()) prune(root, keep, result.directory, std::move(protect));
  return result;
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path root, std::int64_t keep)
    : root_(std::move(root)), keep_(keep) {}

void CheckpointWriter::start(Checkpoint snapshot, std::vector<std::filesystem::path> protect) {
  wait();
  // The snapshot moves into the call, so its tensors are freed when the call returns, not when its
  // result is taken.
  under_way_ = std::async(std::launch::async, write_and_prune, root_, keep_, std::move(snapshot),
                          std::move(protect));
}

void CheckpointWriter::evaluated(const TrainingState& state,
                                 std::vector<std::filesystem::path> protect) {
  wait();
  const std::filesystem::path directory = checkpoint_directory(root_, state.step);
  if (!std::filesystem::exists(directory)) return;
  try {
    write_evaluated_state(directory, state);
  } catch (const std::exception& error) {
    log::warn(base::text("could not record the evaluation in the checkpoint of step ", state.step,
                         ": ", error.what()));
    return;
  }
  prune(root_, keep_, directory, std::move(protect));
}

void CheckpointWriter::wait() {
  if (under_way_.valid()) finished_ = under_way_.get();
}

std::optional<CheckpointWriter::Result> CheckpointWriter::take_result() {
  using namespace std::chrono_literals;
  if (under_way_.valid() && under_way_.wait_for(0s) == std::future_status::ready) wait();
  return std::exchange(finished_, std::nullopt);
}

}  // namespace vae_dist::checkpoint
