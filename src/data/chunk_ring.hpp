// Streaming: a ring of decoded chunks, in the order of the epochs, that the ranks of a node share.
// Each chunk is decoded once per epoch and node, ahead of its use.
//
// Turns number the chunks from the first chunk of the first epoch on, without end. Turn t lies in
// slot t mod slots() and is filled by local rank t mod ranks. Each rank publishes the first turn
// that it still needs. A slot is refilled when its previous turn was filled and all ranks are past
// it. The shared state is one word per slot and one per rank. A waiting rank polls these words. It
// also checks that the other ranks are alive: each increments its pulse, whatever else it does. A
// rank that failed, ended, was killed or hangs causes an error that names it.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "comm/communicator.hpp"
#include "comm/node_memory.hpp"
#include "data/decoded_source.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

class ChunkRing : public DecodedSource {
 public:
  struct Options {
    OrderPlan order;           ///< in windows, without sections
    std::int64_t threads = 1;  ///< decoding threads of this rank
    std::int64_t first_epoch = 0, first_position = 0;
    base::Seconds patience{60};  ///< a rank of the node whose pulse stands still for this long is
                                 ///< lost (it was stopped, or its whole process hangs)
  };

  /// Starts decoding at (first_epoch, first_position). `dataset` must outlive the ring. Collective
  /// over both communicators; see NodeMemory.
  ChunkRing(const SampleDataset& dataset, const Options& options, comm::CpuCommunicator& node,
            comm::CpuCommunicator& all);
  /// Stops filling. Other ranks that wait for this one get an error.
  ~ChunkRing() override;
  ChunkRing(const ChunkRing&) = delete;
  ChunkRing& operator=(const ChunkRing&) = delete;

  /// Throws Failure, naming the rank, if a rank of the node could not decode its chunk or is lost.
  void need(const EpochOrder& order, std::int64_t epoch, std::int64_t first,
            std::int64_t last) override;
  std::span<const std::byte> image(std::int64_t sample) const override;
  void stop() override { stopping_ = true; }

  std::int64_t slots() const { return slots_; }
  std::uint64_t bytes() const { return memory_->size(); }
  /// Returns the number of chunks that all ranks of the node have decoded so far.
  std::int64_t chunks_decoded() const;

 private:
  struct Rank;
  using Turn = std::atomic<std::int64_t>;

  void fill(std::int64_t turn, std::int64_t stride);
  void decode(std::int64_t chunk, std::span<std::byte> to, arrays::RowBuffers& buffers) const;
  void will_need(std::int64_t chunk) const;
  bool wait_until_free(std::int64_t turn) const;
  void wait_until_ready(std::int64_t turn) const;
  void check_filler(const Rank& filler) const;
  void check_process(const Rank& other, base::Seconds silence) const;
  void give_up(const std::string& reason);
  arrays::RowRange rows_with(std::int64_t sample) const;
  Rank& rank(int local_rank) const;
  Turn& ready(std::int64_t slot) const;
  std::byte* slot(std::int64_t turn) const;

  const SampleDataset& dataset_;
  const Options options_;
  const std::shared_ptr<const SampleChunks> chunks_;
  const int local_rank_, ranks_;
  std::size_t slot_bytes_ = 0;
  std::int64_t slots_ = 0, start_ = 0;  // start_: the first turn
  std::unique_ptr<comm::NodeMemory> memory_;
  // What the last need() waited for: the turns and, for each chunk, where its images begin.
  struct Held {
    const std::byte* images;
    std::int64_t first_row;
  };
  WindowOrder::Turns held_turns_;
  std::unordered_map<std::int64_t, Held> held_;
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> threads_;  // last: the threads use all of the above
};

}  // namespace vae_dist::data
