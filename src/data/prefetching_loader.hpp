// Makes batches ahead of the step, in its own threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "data/batch_maker.hpp"
#include "data/decoded_source.hpp"

namespace vae_dist::data {

/// The point of a training run at which a loader begins.
struct LoaderStart {
  std::int64_t epoch = 0;
  std::int64_t step = 0;  ///< within the epoch
};

struct LoaderOptions {
  std::int64_t ahead = 1;  ///< maximum number of batches made before they are requested
  std::shared_ptr<DecodedSource> source =
      nullptr;  ///< of the images, started at the same point; null = the dataset itself
  BatchMemory memory = plain_batch_memory();  ///< of the batches; about `ahead` + 2 at a time
  int threads = 1;                            ///< number of threads that make a batch together
};

class PrefetchingLoader {
 public:
  /// Starts reading at `start` and continues through the following epochs without end. `dataset`
  /// must outlive the loader.
  PrefetchingLoader(const SampleDataset& dataset, const BatchPlan& plan, LoaderStart start,
                    LoaderOptions options);
  ~PrefetchingLoader();
  PrefetchingLoader(const PrefetchingLoader&) = delete;
  PrefetchingLoader& operator=(const PrefetchingLoader&) = delete;

  /// Returns the next batch, in order. Rethrows any error of reading it.
  Batch next();

 private:
  void read_ahead(std::int64_t epoch, std::int64_t step);

  const SampleDataset& dataset_;
  const BatchPlan plan_;
  const std::size_t ahead_;
  const std::shared_ptr<DecodedSource> source_;
  const BatchMemory memory_;
  base::ThreadTeam team_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread thread_;  // last: the thread uses all of the above
};

}  // namespace vae_dist::data
