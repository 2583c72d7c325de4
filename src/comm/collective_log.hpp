// What this process has lately asked of the other ranks: the memory of a rank that waits in vain.
//
// Every rank starts the same collectives, so their number tells who is behind, and the last of them
// what hangs. Thread safety: all functions, from any thread.
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
    std::optional<base::Seconds> took;  ///< empty: under way
  };

  /// Ends the collective when it goes out of scope.
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

  /// From now on these collectives, which the device starts by itself, count too, when it comes to
  /// them; the one under way is the last of the entries, since its launch. Null: no more; those so
  /// far go on to count. The device has come to all that were launched, then.
  void follow(std::shared_ptr<const base::ProgressWords> device);

  std::int64_t started() const;
  std::string last_started()
      const;  ///< "" before the first; of the device's, only the one under way
  std::vector<Entry> entries() const;  ///< the last kKept, oldest first

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
  std::int64_t started_ = 0;  // without those of device_
  std::deque<Record> records_;
  std::shared_ptr<const base::ProgressWords> device_;
};

/// A line for each entry, the newest first: "#812 gradients: bucket 2, 1048576 bytes: under way
/// for 5.1 s".
std::string describe(const std::vector<CollectiveLog::Entry>& entries);

}  // namespace vae_dist::comm
