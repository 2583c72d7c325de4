#include "data/section_memory.hpp"

#include <atomic>
#include <thread>

#include "base/thread_team.hpp"

namespace vae_dist::data {

SectionMemory::SectionMemory(const SampleDataset& dataset, const OrderPlan& order,
                             const ReplicaRange& replicas, std::int64_t threads,
                             const std::function<void(double)>& on_progress)
    : index_(dataset) {
  // Reading checks every value against limits that follow from the scale, which may have to be
  // found by looking at images: no thread may read while another still sets them.
  dataset.scale();
  const EpochOrder epoch(order, 0, std::make_shared<SampleChunks>(dataset.chunks()));
  struct Unit {
    Piece piece;
    std::size_t offset;
  };
  std::vector<Unit> units;
  for (std::int64_t r = replicas.first; r < replicas.last; ++r)
    for (std::int64_t turn = 0; turn < epoch.section(r).turns(); ++turn) {
      units.push_back({epoch.section(r).piece(turn), bytes_});
      bytes_ += bytes_of(units.back().piece, dataset);
    }
  images_ = std::make_unique_for_overwrite<std::byte[]>(bytes_);

  constexpr std::size_t kAhead = 8;
  std::atomic<std::size_t> next{0};
  const auto reporter = std::this_thread::get_id();
  base::ThreadTeam(static_cast<int>(threads)).divide(threads, [&](std::int64_t, std::int64_t) {
    arrays::RowBuffers buffers;
    for (std::size_t i = next++; i < units.size(); i = next++) {
      if (i + kAhead < units.size()) will_need(units[i + kAhead].piece, dataset);
      const Unit& unit = units[i];
      read_piece(unit.piece, dataset, {images_.get() + unit.offset, bytes_of(unit.piece, dataset)},
                 buffers);
      if (std::this_thread::get_id() == reporter)
        on_progress(static_cast<double>(i + 1) / static_cast<double>(units.size()));
    }
  });
  for (const Unit& unit : units) index_.add(unit.piece, images_.get() + unit.offset);
}

}  // namespace vae_dist::data
