#include "data/prefetching_loader.hpp"

#include <optional>

namespace vae_dist::data {

PrefetchingLoader::PrefetchingLoader(const SampleDataset& dataset, const BatchPlan& plan,
                                     LoaderStart start, LoaderOptions options)
    : dataset_(dataset),
      plan_(plan),
      ahead_(static_cast<std::size_t>(options.ahead)),
      source_(std::move(options.source)),
      memory_(std::move(options.memory)),
      team_(options.threads),
      thread_([start, this] { read_ahead(start.epoch, start.step); }) {}

PrefetchingLoader::~PrefetchingLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (source_) source_->stop();
  thread_.join();
}

Batch PrefetchingLoader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || error_; });
  // Batches made before the error are still valid.
  if (ready_.empty()) std::rethrow_exception(error_);
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void PrefetchingLoader::read_ahead(std::int64_t epoch, std::int64_t step) {
  const std::int64_t steps_per_epoch = plan_.steps_per_epoch(dataset_.size());
  const auto chunks = std::make_shared<SampleChunks>(dataset_.chunks());
  std::optional<EpochOrder> order;
  const BatchResources resources = {
      source_ ? [this](std::int64_t sample) { return source_->image(sample); } : DecodedImages(),
      memory_, team_};
  try {
    while (true) {
      if (step == steps_per_epoch) {
        step = 0;
        ++epoch;
        order.reset();
      }
      if (!order) order.emplace(plan_, static_cast<std::uint64_t>(epoch), chunks);
      const std::int64_t position = step * plan_.global_batch + plan_.first;
      if (source_) source_->need(*order, epoch, position, position + plan_.count);
      Batch batch = make_batch(dataset_, plan_, *order, epoch, step++, resources);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ready_.size() < ahead_ || stopping_; });
      if (stopping_) return;
      ready_.push_back(std::move(batch));
      lock.unlock();
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

}  // namespace vae_dist::data
