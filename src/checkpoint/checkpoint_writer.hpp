// Writes checkpoints in a background thread while training continues, at most one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace vae_dist::checkpoint {

/// Writes the checkpoints of a run. Not thread-safe. The destructor waits for the write in
/// progress.
///
///     CheckpointWriter writer(run / "checkpoints", config.checkpoint.keep);
///     writer.start(snapshot());                                // at a step boundary
///     if (const auto result = writer.take_result()) ...        // some steps later
class CheckpointWriter {
 public:
  struct Result {
    std::filesystem::path directory;  ///< empty if the write failed
    std::string failure;              ///< empty if the write succeeded
    double seconds = 0;
  };

  /// `keep`: how many of the newest checkpoints to keep.
  CheckpointWriter(std::filesystem::path root, std::int64_t keep);

  /// Starts writing the snapshot, whose tensors must not change any more, and returns. First waits
  /// for a write in progress. After the write, prunes older checkpoints except those in `protect`
  /// (the best one) and the one just written.
  void start(Checkpoint snapshot, std::vector<std::filesystem::path> protect = {});

  /// Records an evaluation of the weights that were saved last or that the run began with: waits,
  /// adds `state` to their checkpoint, and prunes again because the best checkpoint may have
  /// changed. Does nothing if that checkpoint was not written. A failure is only a warning: a run
  /// that resumes from the checkpoint repeats the evaluation.
  void evaluated(const TrainingState& state, std::vector<std::filesystem::path> protect = {});

  /// Waits for the write in progress, if any.
  void wait();

  /// Returns the result of the last finished write, once: nothing if there is none or if it has
  /// been returned before. A failed write is not an exception: it is logged as a warning, and
  /// training continues without the checkpoint.
  std::optional<Result> take_result();

 private:
  std::filesystem::path root_;
  std::int64_t keep_;
  std::future<Result> under_way_;  // from std::async, so its destructor waits
  std::optional<Result> finished_;
};

}  // namespace vae_dist::checkpoint
