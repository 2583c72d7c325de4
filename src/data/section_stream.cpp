#include "data/section_stream.hpp"

#include <algorithm>
#include <tuple>

#include "base/error.hpp"

namespace vae_dist::data {

SectionStream::SectionStream(const SampleDataset& dataset, const Options& options)
    : dataset_(dataset),
      options_(options),
      chunks_(std::make_shared<SampleChunks>(dataset.chunks())),
      planned_epoch_(options.first_epoch - 1),
      first_step_(options.first_step),
      index_(dataset) {
  // Reading checks every value against limits that follow from the scale, which may have to be
  // found by looking at images: no thread may read while another still sets them.
  dataset.scale();
  plan_epoch();
  for (std::int64_t t = 0; t < options_.threads; ++t)
    threads_.emplace_back([this] { decode_tasks(); });
}

SectionStream::~SectionStream() { stop(); }

void SectionStream::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

std::int64_t SectionStream::pieces_decoded() const {
  const std::lock_guard lock(mutex_);
  return decoded_;
}

std::size_t SectionStream::most_bytes() const {
  const std::lock_guard lock(mutex_);
  return most_bytes_;
}

// Appends the next epoch's tasks.
void SectionStream::plan_epoch() {
  const std::int64_t epoch = ++planned_epoch_;
  const EpochOrder order(options_.order, static_cast<std::uint64_t>(epoch), chunks_);
  const std::int64_t each = options_.order.samples_per_section();
  struct Planned {
    std::int64_t step, replica, window;
  };
  std::vector<Planned> planned;
  for (std::int64_t r = options_.replicas.first; r < options_.replicas.last; ++r) {
    const WindowOrder& section = order.section(r);
    const std::int64_t begin = section.window_at(first_step_ * each),
                       end = windows_needed(order, r);
    for (std::int64_t w = begin; w < end; ++w)
      planned.push_back({section.first_position(w) / each, r, w});
    if (std::ssize(in_use_) <= r - options_.replicas.first) in_use_.push_back({epoch, begin, end});
  }
  std::sort(planned.begin(), planned.end(), [](const Planned& a, const Planned& b) {
    return std::tie(a.step, a.window, a.replica) < std::tie(b.step, b.window, b.replica);
  });
  for (const Planned& p : planned) {
    const WindowOrder::Turns turns = order.section(p.replica).turns_of(p.window);
    for (std::int64_t turn = turns.first; turn < turns.last; ++turn)
      tasks_.push_back({{epoch, p.replica, p.window},
                        order.section(p.replica).piece(turn),
                        turns.last - turns.first});
  }
  first_step_ = 0;
}

// The windows after the last whole batch are not read.
std::int64_t SectionStream::windows_needed(const EpochOrder& order, std::int64_t replica) const {
  const std::int64_t samples =
      options_.order.steps_per_epoch(order.samples()) * options_.order.samples_per_section();
  return order.section(replica).window_at(samples - 1) + 1;
}

bool SectionStream::may_load(const WindowName& window) const {
  const InUse& now = in_use_[static_cast<std::size_t>(window.replica - options_.replicas.first)];
  if (window.epoch == now.epoch) return window.window <= now.window + 1;
  return window.epoch == now.epoch + 1 && window.window == 0 && now.window + 1 >= now.windows;
}

std::optional<SectionStream::Task> SectionStream::next_task(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    if (tasks_.empty()) plan_epoch();
    if (may_load(tasks_.front().window)) {
      Task task = tasks_.front();
      tasks_.pop_front();
      constexpr std::size_t kAhead = 4;
      if (tasks_.size() >= kAhead) will_need(tasks_[kAhead - 1].piece, dataset_);
      return task;
    }
    changed_.wait(lock);
  }
  return std::nullopt;
}

void SectionStream::decode_tasks() {
  arrays::RowBuffers buffers;
  std::unique_lock lock(mutex_);
  try {
    while (const auto task = next_task(lock)) {
      const std::size_t bytes = bytes_of(task->piece, dataset_);
      bytes_ += bytes;
      most_bytes_ = std::max(most_bytes_, bytes_);
      lock.unlock();
      auto images = std::make_unique_for_overwrite<std::byte[]>(bytes);
      read_piece(task->piece, dataset_, {images.get(), bytes}, buffers);
      lock.lock();
      Window& window = windows_[task->window];
      window.pieces = task->of;
      window.loaded.push_back({task->piece, std::move(images)});
      ++decoded_;
      changed_.notify_all();
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    if (!error_) error_ = std::current_exception();
    stopping_ = true;
    changed_.notify_all();
  }
}

// Frees the windows that no later step needs.
void SectionStream::release_before(const EpochOrder& order, std::int64_t epoch, std::int64_t step) {
  const std::int64_t position = step * options_.order.samples_per_section();
  for (auto window = windows_.begin(); window != windows_.end();) {
    const WindowName& name = window->first;
    const bool past = name.epoch < epoch ||
                      (name.epoch == epoch &&
                       order.section(name.replica).first_position(name.window + 1) <= position);
    if (!past) {
      ++window;
      continue;
    }
    for (const Loaded& l : window->second.loaded) bytes_ -= bytes_of(l.piece, dataset_);
    window = windows_.erase(window);
  }
}

void SectionStream::need(const EpochOrder& order, std::int64_t epoch, std::int64_t first,
                         std::int64_t) {
  const std::int64_t step = first / options_.order.global_batch,
                     each = options_.order.samples_per_section();
  index_.clear();
  std::unique_lock lock(mutex_);
  release_before(order, epoch, step);
  std::vector<WindowName> needed;
  for (std::int64_t r = options_.replicas.first; r < options_.replicas.last; ++r) {
    const WindowOrder& section = order.section(r);
    const std::int64_t from = section.window_at(step * each),
                       to = section.window_at((step + 1) * each - 1);
    for (std::int64_t w = from; w <= to; ++w) needed.push_back({epoch, r, w});
    in_use_[static_cast<std::size_t>(r - options_.replicas.first)] = {epoch, to,
                                                                      windows_needed(order, r)};
  }
  changed_.notify_all();
  for (const WindowName& name : needed) {
    const auto is_loaded = [&] {
      const auto found = windows_.find(name);
      return found != windows_.end() && std::ssize(found->second.loaded) == found->second.pieces;
    };
    changed_.wait(lock, [&] { return is_loaded() || stopping_; });
    if (error_) std::rethrow_exception(error_);
    if (!is_loaded()) throw base::Failure("reading was stopped");
    for (const Loaded& l : windows_.at(name).loaded) index_.add(l.piece, l.images.get());
  }
}

}  // namespace vae_dist::data
