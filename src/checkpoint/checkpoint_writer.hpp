// Writes checkpoints in a thread of its own while training goes on; at most one is under way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace vae_dist::checkpoint {

/// Belongs to one thread. Its destructor waits for the write under way.
///
///     CheckpointWriter writer(run / "checkpoints", config.checkpoint.keep);
///     writer.start(snapshot());                                // at a step boundary
///     if (const auto result = writer.take_result()) ...        // steps later
class CheckpointWriter {
 public:
  struct Result {
    std::filesystem::path directory;  ///< empty when it failed
    std::string failure;              ///< empty when it was written
    double seconds = 0;
  };

  /// `keep`: how many of the newest stay.
  CheckpointWriter(std::filesystem::path root, std::int64_t keep);

  /// Takes the snapshot (its tensors must not change any more) and returns; waits first if one is
  /// still under way. After the write the older checkpoints are pruned, but for those in `protect`
  /// (the best one) and the one just written.
  void start(Checkpoint snapshot, std::vector<std::filesystem::path> protect = {});

  /// After an evaluation of the weights that were saved last, or that the run began with: waits,
  /// gives their checkpoint the state that the evaluation left, and prunes again by what is the
  /// best now. Where that checkpoint was not written there is nothing to do. What goes wrong is a
  /// warning: whoever goes on from it evaluates once more.
  void evaluated(const TrainingState& state, std::vector<std::filesystem::path> protect = {});

  /// Waits for the one under way, if any.
  void wait();

  /// Result of the last finished one, once: empty when there is none, or it was asked for already.
  /// A failed write is not an exception: it is logged as a warning, and training goes on without
  /// it.
  std::optional<Result> take_result();

 private:
  std::filesystem::path root_;
  std::int64_t keep_;
  std::future<Result> under_way_;  // of std::async, so its destructor waits
  std::optional<Result> finished_;
};

}  // namespace vae_dist::checkpoint
