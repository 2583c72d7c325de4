#include "comm/node_sum.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "comm/tree_all_reduce.hpp"

namespace vae_dist::comm {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLine = 64;      // bytes of a cache line
constexpr std::int64_t kBlock = 1024;  // elements that are summed at a time, within the L1 cache
constexpr base::Seconds kSpinTime{200e-6};     // before a waiting rank sleeps; it yields its core
constexpr long kLookNanoseconds = 50'000'000;  // how often a waiting rank looks for an abort

// A number of sums in shared memory, on which ranks of other processes can sleep. It wraps around.
using Count = std::atomic<std::uint32_t>;
static_assert(Count::is_always_lock_free && sizeof(Count) == sizeof(std::uint32_t));

long futex(const Count& count, int operation, std::uint32_t value, const timespec* timeout) {
  return ::syscall(SYS_futex, &count, operation, value, timeout, nullptr, 0);
}

void announce(Count& count, std::uint32_t value) {
  count.store(value, std::memory_order_release);
  futex(count, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr);
}

void wait_until_reached(const Count& count, std::uint32_t value, const CpuCommunicator& ranks) {
  const base::Stopwatch waiting;
  while (true) {
    const std::uint32_t seen = count.load(std::memory_order_acquire);
    if (static_cast<std::int32_t>(seen - value) >= 0) return;
    if (ranks.aborted())
      throw base::CommunicationFailure(
          "a sum over the ranks of this node was aborted because another rank failed");
    if (waiting.elapsed() < kSpinTime) {
      std::this_thread::yield();
      continue;
    }
    // Returns at once if the count has changed since it was read.
    const timespec look{0, kLookNanoseconds};
    futex(count, FUTEX_WAIT, seen, &look);
  }
}

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

// Adds elements [first, first + count) of the vectors of ranks [low, high) into `out`, along the
// tree. `vectors` holds where each rank's vector begins.
template <typename T>
void add_tree(const std::vector<std::byte*>& vectors, std::size_t low, std::size_t high,
              std::int64_t first, std::int64_t count, T* __restrict__ out) {
  const auto of = [&](std::size_t rank) {
    return reinterpret_cast<const T*>(vectors[rank]) + first;
  };
  const auto plus = [count](const T* __restrict__ a, const T* __restrict__ b, T* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(a[i] + b[i]);
  };
  if (high - low == 1) {
    std::copy_n(of(low), count, out);
    return;
  }
  if (high - low == 2) return plus(of(low), of(low + 1), out);
  std::size_t left = 1;
  while (2 * left < high - low) left *= 2;
  add_tree(vectors, low, low + left, first, count, out);
  std::array<T, kBlock> right;
  add_tree(vectors, low + left, high, first, count, right.data());
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(out[i] + right[i]);
}

template <typename T>
void sum_part(const std::vector<std::byte*>& vectors, std::int64_t low, std::int64_t high) {
  std::array<T, kBlock> sum;
  for (std::int64_t first = low; first < high; first += kBlock) {
    const std::int64_t count = std::min(kBlock, high - first);
    add_tree(vectors, 0, vectors.size(), first, count, sum.data());
    for (std::byte* const vector : vectors)
      std::copy_n(sum.data(), count, reinterpret_cast<T*>(vector) + first);
  }
}

}  // namespace

// How far a rank is. Each count has a cache line, so that ranks do not slow down each other's.
struct NodeSum::Progress {
  alignas(kLine) Count ready;   // its vectors of so many sums can be read
  alignas(kLine) Count summed;  // its parts of so many sums are written
};

NodeSum::NodeSum(CpuCommunicator& ranks, std::size_t bytes)
    : ranks_(ranks),
      rank_(ranks.rank()),
      size_(ranks.size()),
      slot_bytes_(round_up(kStagingBytes + bytes, kPage)),
      // Each rank is the first to write its own vector, which therefore lies in memory near it.
      memory_(ranks, ranks,
              round_up(static_cast<std::size_t>(size_) * sizeof(Progress), kPage) +
                  static_cast<std::size_t>(size_) * slot_bytes_,
              {.descriptor = true, .folders = {}, .reserve = false}) {}

NodeSum::Progress& NodeSum::progress(int rank) const {
  return reinterpret_cast<Progress*>(memory_.data())[rank];
}

std::byte* NodeSum::slot(int rank) const {
  return memory_.data() + memory_.size() - static_cast<std::size_t>(size_ - rank) * slot_bytes_;
}

void NodeSum::wait_for_all(bool summed) const {
  for (int rank = 0; rank < size_; ++rank)
    if (rank != rank_)
      wait_until_reached(summed ? progress(rank).summed : progress(rank).ready, sums_, ranks_);
}

void NodeSum::sum_shared(std::size_t offset, Buffer buffer) {
  std::vector<std::byte*> vectors;
  for (int rank = 0; rank < size_; ++rank) vectors.push_back(slot(rank) + offset);
  // No two ranks write into one cache line.
  const auto line = static_cast<std::int64_t>(kLine / size_of(buffer.type));
  const auto bound = [&](int rank) {
    return rank == size_ ? buffer.count : buffer.count * rank / size_ / line * line;
  };
  const std::int64_t low = bound(rank_), high = bound(rank_ + 1);

  ++sums_;
  announce(progress(rank_).ready, sums_);
  wait_for_all(false);
  switch (buffer.type) {
    case DataType::float32:
      sum_part<float>(vectors, low, high);
      break;
    case DataType::float64:
      sum_part<double>(vectors, low, high);
      break;
    case DataType::int64:
      sum_part<std::int64_t>(vectors, low, high);
      break;
    case DataType::uint8:
      sum_part<std::uint8_t>(vectors, low, high);
      break;
    case DataType::bfloat16:
      break;  // refused by sum()
  }
  announce(progress(rank_).summed, sums_);
  wait_for_all(true);
}

void NodeSum::sum(Buffer buffer) {
  if (buffer.type == DataType::bfloat16)
    throw std::invalid_argument("bfloat16 values cannot be summed on the host");
  auto* const data = static_cast<std::byte*>(buffer.data);
  const std::less_equal<const std::byte*> at_most;
  if (at_most(slot(rank_), data) && at_most(data + buffer.bytes(), slot(rank_) + slot_bytes_))
    return sum_shared(static_cast<std::size_t>(data - slot(rank_)), buffer);

  const auto most = static_cast<std::int64_t>(kStagingBytes / size_of(buffer.type));
  for (std::int64_t done = 0; done < buffer.count; done += most) {
    const Buffer piece{data + static_cast<std::size_t>(done) * size_of(buffer.type),
                       std::min(most, buffer.count - done), buffer.type};
    std::memcpy(slot(rank_), piece.data, piece.bytes());
    sum_shared(0, piece);
    std::memcpy(piece.data, slot(rank_), piece.bytes());
  }
}

}  // namespace vae_dist::comm
