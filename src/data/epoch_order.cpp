#include "data/epoch_order.hpp"

namespace vae_dist::data {
namespace {

std::uint64_t as_seed(base::PhiloxKey key) {
  return static_cast<std::uint64_t>(key[0]) << 32 | key[1];
}

}  // namespace

std::int64_t section_begin(std::int64_t samples, std::int64_t sections, std::int64_t replica) {
  return static_cast<std::int64_t>(static_cast<__int128>(replica) * samples / sections);
}

EpochOrder::EpochOrder(const OrderPlan& plan, std::uint64_t epoch,
                       std::shared_ptr<const SampleChunks> chunks)
    : plan_(plan), samples_(chunks->samples()) {
  if (plan.sections == 0 && plan.window_chunks == 0) {
    all_.emplace(plan.seed, epoch, samples_);
    return;
  }
  const bool fixed = plan.sections > 0 && plan.fixed_sections;
  const auto row = std::make_shared<const ChunkRow>(
      base::random_key(plan.seed, base::Purpose::chunk_order, fixed ? 0 : epoch),
      std::move(chunks));
  const std::uint64_t windows =
                          as_seed(base::random_key(plan.seed, base::Purpose::window_order, epoch)),
                      pieces =
                          as_seed(base::random_key(plan.seed, base::Purpose::piece_order, epoch));
  if (plan.sections == 0) {
    parts_.emplace_back(RowPart(row, 0, samples_), plan.window_chunks, windows, 0);
    return;
  }
  for (std::int64_t r = 0; r < plan.sections; ++r) {
    // Fixed sections have the same chunks in every epoch, but not in the same order.
    const auto reorder = fixed ? std::optional(base::random_key(pieces, base::Purpose::piece_order,
                                                                static_cast<std::uint64_t>(r)))
                               : std::nullopt;
    parts_.emplace_back(RowPart(row, section_begin(samples_, plan.sections, r),
                                section_begin(samples_, plan.sections, r + 1), reorder),
                        plan.window_chunks, windows, r);
  }
}

std::int64_t EpochOrder::at(std::int64_t position) const {
  if (all_) return all_->at(position);
  if (plan_.sections == 0) return windows().at(position);
  const std::int64_t each = plan_.samples_per_section(), step = position / plan_.global_batch,
                     index = position % plan_.global_batch;
  return section(index / each).at(step * each + index % each);
}

}  // namespace vae_dist::data
