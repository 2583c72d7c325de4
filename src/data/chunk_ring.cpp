#include "data/chunk_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>

#include "base/error.hpp"
#include "base/planted_fault.hpp"
#include "data/signs_of_life.hpp"

namespace vae_dist::data {
namespace {

enum State : std::int32_t { kFilling, kLeft, kFailed };

constexpr std::int64_t kReadaheadChunks = 8;      // chunks announced ahead, per thread
constexpr std::chrono::milliseconds kPulse{100};  // also between checks of the other ranks

// Returns how many chunks hold at least `samples` samples, even if they are the smallest ones.
std::int64_t chunks_that_hold(const SampleChunks& chunks, std::int64_t samples) {
  std::vector<std::int64_t> small;
  for (const auto& irregular : chunks.irregular())
    if (irregular.excess < 0) small.push_back(chunks.regular_size() + irregular.excess);
  std::sort(small.begin(), small.end());
  std::int64_t count = 0;
  for (const std::int64_t size : small) {
    if (samples <= 0) return count;
    samples -= size;
    ++count;
  }
  return count +
         std::max<std::int64_t>(0, (samples + chunks.regular_size() - 1) / chunks.regular_size());
}

std::int64_t first_turn_of(const WindowOrder& windows, std::int64_t position) {
  return windows.turns_of(windows.window_at(position)).first;
}

// Polls at growing intervals: 20 us at first, doubling up to 1 ms.
class PollBackoff {
 public:
  void wait() {
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(2 * sleep_, std::chrono::microseconds(1000));
  }

 private:
  std::chrono::microseconds sleep_{20};
};

}  // namespace

// What a rank publishes; zeros at first. One cache line, and the reason of its failure.
struct ChunkRing::Rank {
  alignas(64) std::atomic<std::int64_t> first_needed;
  std::atomic<std::int64_t> decoded, pulse;
  std::atomic<std::uint64_t> process_namespace;
  std::atomic<std::int32_t> state, process, world_rank;
  std::array<char, 1024> reason;
};

ChunkRing::ChunkRing(const SampleDataset& dataset, const Options& options,
                     comm::CpuCommunicator& node, comm::CpuCommunicator& all)
    : dataset_(dataset),
      options_(options),
      chunks_(std::make_shared<SampleChunks>(dataset.chunks())),
      local_rank_(node.rank()),
      ranks_(node.size()) {
  const EpochOrder order(options_.order, static_cast<std::uint64_t>(options_.first_epoch), chunks_);
  // Room for one global batch: its samples, and the windows in which it begins and ends.
  const std::int64_t window = std::min(options_.order.window_chunks, chunks_->count());
  slots_ = chunks_that_hold(*chunks_, options_.order.global_batch) + 1 + 2 * window;
  slot_bytes_ = dataset_.rows().longest_block_bytes();
  slot_bytes_ = (slot_bytes_ + 63) / 64 * 64;
  const std::size_t header = static_cast<std::size_t>(ranks_) * sizeof(Rank) +
                             (static_cast<std::size_t>(slots_) * sizeof(Turn) + 63) / 64 * 64;
  memory_ = std::make_unique<comm::NodeMemory>(
      node, all, header + static_cast<std::size_t>(slots_) * slot_bytes_);

  start_ = options_.first_epoch * chunks_->count() +
           first_turn_of(order.windows(), options_.first_position);
  rank(local_rank_).first_needed = start_;
  rank(local_rank_).process = static_cast<std::int32_t>(::getpid());
  rank(local_rank_).process_namespace = process_namespace();
  rank(local_rank_).world_rank = all.rank();
  node.barrier();  // nobody reads a rank's words before they are set
  threads_.emplace_back([this] {
    for (; !stopping_; std::this_thread::sleep_for(kPulse)) ++rank(local_rank_).pulse;
  });
  const std::int64_t mine = start_ + (local_rank_ - start_ % ranks_ + ranks_) % ranks_;
  for (std::int64_t t = 0; t < options_.threads; ++t)
    threads_.emplace_back([this, turn = mine + t * ranks_, stride = options_.threads * ranks_] {
      fill(turn, stride);
    });
}

ChunkRing::~ChunkRing() {
  stop();
  threads_.clear();
  rank(local_rank_).first_needed = std::numeric_limits<std::int64_t>::max() /
                                   2;  // slots that others still fill do not wait for this rank
  std::int32_t filling = kFilling;
  rank(local_rank_).state.compare_exchange_strong(filling, kLeft);
}

ChunkRing::Rank& ChunkRing::rank(int local_rank) const {
  return reinterpret_cast<Rank*>(memory_->data())[local_rank];
}

ChunkRing::Turn& ChunkRing::ready(std::int64_t slot) const {
  return reinterpret_cast<Turn*>(memory_->data() +
                                 static_cast<std::size_t>(ranks_) * sizeof(Rank))[slot];
}

std::byte* ChunkRing::slot(std::int64_t turn) const {
  return memory_->data() + memory_->size() -
         static_cast<std::size_t>(slots_ - turn % slots_) * slot_bytes_;
}

arrays::RowRange ChunkRing::rows_with(std::int64_t sample) const {
  const std::int64_t stored_index = dataset_.samples().stored_index(sample);
  const arrays::RowRange block = dataset_.rows().block_of(dataset_.samples().row_at(stored_index)),
                         range = dataset_.samples().range_at(stored_index);
  return {std::max(block.first, range.first), std::min(block.last, range.last)};
}

void ChunkRing::decode(std::int64_t chunk, std::span<std::byte> to,
                       arrays::RowBuffers& buffers) const {
  const arrays::RowRange rows = rows_with(chunks_->first_sample(chunk));
  dataset_.rows().read_packed(rows.first, rows.size(),
                              to.first(dataset_.rows().packed_bytes(rows.first, rows.size())),
                              buffers);
}

void ChunkRing::will_need(std::int64_t chunk) const {
  const arrays::RowRange rows = rows_with(chunks_->first_sample(chunk));
  dataset_.rows().will_need(rows.first, rows.size());
}

void ChunkRing::fill(std::int64_t turn, std::int64_t stride) {
  try {
    // Reading checks every value against limits that follow from the scale, which may have to be
    // found by looking at images: no thread may read while another still sets them.
    dataset_.scale();
    arrays::RowBuffers buffers;
    std::optional<EpochOrder> order;
    const std::int64_t turns = chunks_->count();
    for (std::int64_t epoch = -1; wait_until_free(turn); turn += stride) {
      const auto ask_for = [&](std::int64_t later) {
        if (later < turns) will_need(order->windows().piece(later).chunk);
      };
      if (turn / turns != epoch) {
        epoch = turn / turns;
        order.emplace(options_.order, static_cast<std::uint64_t>(epoch), chunks_);
        for (std::int64_t i = 1; i < kReadaheadChunks; ++i) ask_for(turn % turns + i * stride);
      }
      ask_for(turn % turns + kReadaheadChunks * stride);
      const auto announce = [&] {
        ready(turn % slots_).store(turn + 1, std::memory_order_release);
      };
      if (base::planted(base::PlantedFault::chunk_ring)) {
        announce();
        std::memset(slot(turn), 0, slot_bytes_);  // visible to the sanitizer, unlike inflating
      }
      decode(order->windows().piece(turn % turns).chunk, {slot(turn), slot_bytes_}, buffers);
      ++rank(local_rank_).decoded;
      announce();
    }
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

void ChunkRing::give_up(const std::string& reason) {
  Rank& me = rank(local_rank_);
  static std::mutex one_thread_of_a_rank;
  const std::lock_guard lock(one_thread_of_a_rank);
  if (me.state.load() == kFailed) return;
  std::strncpy(me.reason.data(), reason.c_str(), me.reason.size() - 1);
  me.state.store(kFailed, std::memory_order_release);
}

bool ChunkRing::wait_until_free(std::int64_t turn) const {
  for (PollBackoff patience; !stopping_; patience.wait()) {
    // At the end of an epoch, it may be that no rank needs the slot's previous turn any more while
    // the rank that fills it is late. Without the check of ready(), two ranks would fill the slot.
    bool passed = turn - slots_ < start_ ||
                  ready(turn % slots_).load(std::memory_order_acquire) == turn - slots_ + 1;
    for (int r = 0; r < ranks_ && passed; ++r)
      passed = turn < rank(r).first_needed.load(std::memory_order_acquire) + slots_;
    if (passed) return true;
  }
  return false;
}

void ChunkRing::check_filler(const Rank& filler) const {
  const std::int32_t state = filler.state.load(std::memory_order_acquire);
  if (state == kFailed) throw base::Failure(filler.reason.data());
  if (state == kLeft)
    throw base::Failure(
        base::text("rank ", filler.world_rank.load(),
                   " has ended and no longer decodes chunks for the ranks of its node"));
}

void ChunkRing::check_process(const Rank& other, base::Seconds silence) const {
  if (other.state != kFilling) return;
  if (other.process_namespace == rank(local_rank_).process_namespace && !is_there(other.process))
    throw base::Failure(
        base::text("rank ", other.world_rank.load(), " (process ", other.process.load(),
                   ") is gone and no longer decodes chunks for the ranks of its node"));
  if (silence > options_.patience)
    throw base::Failure(base::text(
        "rank ", other.world_rank.load(), " (process ", other.process.load(),
        ") has shown no sign of life for ", std::llround(silence.count()),
        " s: it was stopped or hangs, and no longer decodes chunks for the ranks of its node"));
}

void ChunkRing::wait_until_ready(std::int64_t turn) const {
  const auto is_ready = [&] {
    return ready(turn % slots_).load(std::memory_order_acquire) == turn + 1;
  };
  base::Stopwatch since_check;
  std::optional<Pulses> pulses;
  for (PollBackoff patience; !is_ready(); patience.wait()) {
    if (stopping_) throw base::Failure("reading was stopped");
    if (since_check.elapsed() < kPulse) continue;
    since_check.restart();
    if (!pulses) pulses.emplace(ranks_);
    pulses->look();
    check_filler(rank(static_cast<int>(turn % ranks_)));
    // Checks all ranks, because the filler may itself wait for one that still needs the slot.
    for (int r = 0; r < ranks_; ++r) check_process(rank(r), pulses->silence(r, rank(r).pulse));
  }
}

void ChunkRing::need(const EpochOrder& order, std::int64_t epoch, std::int64_t first,
                     std::int64_t last) {
  const WindowOrder& windows = order.windows();
  const std::int64_t before = epoch * windows.turns();
  const std::int64_t from = before + first_turn_of(windows, first),
                     to = before + windows.turns_of(windows.window_at(last - 1)).last;
  rank(local_rank_).first_needed.store(from, std::memory_order_release);
  if (from == held_turns_.first && to == held_turns_.last) return;
  held_.clear();
  for (std::int64_t turn = from; turn < to; ++turn) {
    wait_until_ready(turn);
    const std::int64_t chunk = windows.piece(turn - before).chunk;
    held_[chunk] = {slot(turn), rows_with(chunks_->first_sample(chunk)).first};
  }
  held_turns_ = {from, to};
}

std::span<const std::byte> ChunkRing::image(std::int64_t sample) const {
  const Held& chunk = held_.at(chunks_->chunk_of(sample));
  const std::int64_t row = dataset_.samples().row(sample);
  const arrays::DecodedRows& rows = dataset_.rows();
  return {chunk.images + rows.packed_bytes(chunk.first_row, row - chunk.first_row),
          rows.packed_bytes(row, 1)};
}

std::int64_t ChunkRing::chunks_decoded() const {
  std::int64_t sum = 0;
  for (int r = 0; r < ranks_; ++r) sum += rank(r).decoded;
  return sum;
}

}  // namespace vae_dist::data
