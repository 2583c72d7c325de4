// Makes batches ahead of the step, in threads of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "data/batch_maker.hpp"
#include "data/chunk_ring.hpp"

namespace vae_dist::data {

class PrefetchingLoader {
 public:
  /// Starts reading at step `first_step` of epoch `first_epoch` and goes on through the following epochs without end, at most
  /// `ahead` batches before they are asked for. `dataset` outlives the loader. ring: where the images come from, started at the same place; null: from
  /// the dataset itself. memory: of the batches, about `ahead` + 2 at a time. threads: that make a batch together.
  PrefetchingLoader(const SampleDataset& dataset, const BatchPlan& plan, std::int64_t first_epoch, std::int64_t first_step, std::int64_t ahead,
                    std::unique_ptr<ChunkRing> ring = nullptr, BatchMemory memory = plain_batch_memory(), int threads = 1);
  ~PrefetchingLoader();
  PrefetchingLoader(const PrefetchingLoader&) = delete;
  PrefetchingLoader& operator=(const PrefetchingLoader&) = delete;

  /// The next batch, in order. Throws what reading it threw.
  Batch next();

 private:
  void read_ahead(std::int64_t epoch, std::int64_t step);

  const SampleDataset& dataset_;
  const BatchPlan plan_;
  const std::size_t ahead_;
  const std::unique_ptr<ChunkRing> ring_;
  const BatchMemory memory_;
  base::ThreadTeam team_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace vae_dist::data
