// Streaming by sections (epoch_order.hpp): a rank decodes the pieces of its own replicas' sections,
// ahead of their use, into memory of its own. It reads nothing that belongs to other ranks.
//
// Of each section, the window in use and the next one are decoded or being decoded. Threads take
// windows in the order in which the steps need them, piece by piece.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "data/decoded_source.hpp"
#include "data/pieces.hpp"

namespace vae_dist::data {

class SectionStream : public DecodedSource {
 public:
  struct Options {
    OrderPlan order;  ///< with sections and windows
    ReplicaRange replicas;
    std::int64_t threads = 1;
    std::int64_t first_epoch = 0, first_step = 0;
  };

  /// Starts decoding at the first step. `dataset` must outlive the stream.
  SectionStream(const SampleDataset& dataset, const Options& options);
  ~SectionStream() override;

  void need(const EpochOrder& order, std::int64_t epoch, std::int64_t first,
            std::int64_t last) override;
  std::span<const std::byte> image(std::int64_t sample) const override {
    return index_.image(sample);
  }
  void stop() override;

  /// Returns the number of pieces decoded so far.
  std::int64_t pieces_decoded() const;
  /// Returns the largest number of bytes that decoded pieces have taken at a time.
  std::size_t most_bytes() const;

 private:
  /// A window of the section of a replica, in an epoch.
  struct WindowName {
    std::int64_t epoch, replica, window;
    auto operator<=>(const WindowName&) const = default;
  };
  struct Loaded {
    Piece piece;
    std::unique_ptr<std::byte[]> images;
  };
  struct Window {
    std::int64_t pieces = 0;  // that it has
    std::vector<Loaded> loaded;
  };
  struct Task {
    WindowName window;
    Piece piece;
    std::int64_t of;  // pieces of the window
  };
  /// The last window that a step has needed of a replica's section, and how many an epoch needs.
  struct InUse {
    std::int64_t epoch, window, windows;
  };

  void decode_tasks();
  std::optional<Task> next_task(std::unique_lock<std::mutex>& lock);
  void plan_epoch();
  std::int64_t windows_needed(const EpochOrder& order, std::int64_t replica) const;
  bool may_load(const WindowName& window) const;
  void release_before(const EpochOrder& order, std::int64_t epoch, std::int64_t step);

  const SampleDataset& dataset_;
  const Options options_;
  const std::shared_ptr<const SampleChunks> chunks_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;  // in the order in which steps need them
  std::int64_t planned_epoch_, first_step_;
  std::vector<InUse> in_use_;
  std::map<WindowName, Window> windows_;
  std::int64_t decoded_ = 0;
  std::size_t bytes_ = 0, most_bytes_ = 0;
  std::exception_ptr error_;
  bool stopping_ = false;

  PieceIndex index_;                   // of the windows that the last need() waited for
  std::vector<std::jthread> threads_;  // last: the threads use all of the above
};

}  // namespace vae_dist::data
