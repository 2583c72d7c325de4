// Records the collectives that this process has started recently, so that a rank that waits in vain
// can report them.
//
// Every rank starts the same collectives, so their number shows which rank is behind, and the last
// entry shows which collective hangs. All functions are thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/progress_words.hpp"

namespace vae_dist::comm {

class CollectiveLog {
 public:
  static constexpr std::size_t kKept = 64;

  struct Entry {
    std::int64_t number = 0;  ///< 1 for the first of this process
    std::string what;         ///< "gradients: bucket 2"
    std::uint64_t bytes = 0;
    base::Seconds since_start{0};
    std::optional<base::Seconds> took;  ///< empty: still running
  };

  /// Marks the collective as finished at the end of its scope.
  class Running {
   public:
    Running(CollectiveLog& log, std::int64_t number) : log_(&log), number_(number) {}
    Running(Running&& other) noexcept
        : log_(std::exchange(other.log_, nullptr)), number_(other.number_) {}
    Running& operator=(Running&&) = delete;
    ~Running() {
      if (log_) log_->end(number_);
    }

   private:
    CollectiveLog* log_;
    std::int64_t number_;
  };

  [[nodiscard]] Running begin(std::string what, std::uint64_t bytes);

  /// From now on also counts the collectives that the device starts by itself, as soon as the
  /// device reaches them. The running one is the last of entries(), timed from its launch. Null
  /// stops this; the device must then have reached all collectives that were launched, which stay
  /// counted.
  void follow(std::shared_ptr<const base::ProgressWords> device);

  std::int64_t started() const;
  std::string last_started()
      const;  ///< "" before the first; for the device's collectives, only a running one
  std::vector<Entry> entries() const;  ///< the last kKept entries, oldest first

 private:
  struct Record {
    Entry entry;
    base::Stopwatch since;
  };
  void end(std::int64_t number);
  base::ProgressWords::State on_device() const {
    return device_ ? device_->now() : base::ProgressWords::State{};
  }

  mutable std::mutex mutex_;
  std::int64_t started_ = 0;  // without the collectives of device_
  std::deque<Record> records_;
  std::shared_ptr<const base::ProgressWords> device_;
};

/// Formats one line per entry, newest first: "#812 gradients: bucket 2, 1048576 bytes: under way
/// for 5.1 s".
std::string describe(const std::vector<CollectiveLog::Entry>& entries);

}  // namespace vae_dist::comm
