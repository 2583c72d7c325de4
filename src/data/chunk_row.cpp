#include "data/chunk_row.hpp"

#include <algorithm>
#include <utility>

namespace vae_dist::data {
namespace {

SampleChunks in_order(const SampleChunks& chunks, const SampleOrder& order) {
  std::vector<SampleChunks::Irregular> irregular = chunks.irregular();
  for (auto& i : irregular) i.chunk = order.position_of(i.chunk);
  return SampleChunks(chunks.count(), chunks.regular_size(), std::move(irregular));
}

// The sizes of the pieces at places [first, last).
SampleChunks cut_out(const SampleChunks& row, std::int64_t first, std::int64_t last) {
  const std::int64_t begin = row.chunk_of(first), end = row.chunk_of(last - 1) + 1;
  std::vector<SampleChunks::Irregular> irregular;
  const auto& all = row.irregular();
  auto next =
      std::lower_bound(all.begin(), all.end(), begin + 1,
                       [](const auto& entry, std::int64_t chunk) { return entry.chunk < chunk; });
  for (; next != all.end() && next->chunk < end - 1; ++next)
    irregular.push_back({next->chunk - begin, next->excess});
  const auto add_end = [&](std::int64_t turn) {
    const std::int64_t size =
        std::min(last, row.first_sample(turn + 1)) - std::max(first, row.first_sample(turn));
    if (size != row.regular_size()) irregular.push_back({turn - begin, size - row.regular_size()});
  };
  add_end(begin);
  if (end - 1 > begin) add_end(end - 1);
  return SampleChunks(end - begin, row.regular_size(), std::move(irregular));
}

}  // namespace

ChunkRow::ChunkRow(base::PhiloxKey key, std::shared_ptr<const SampleChunks> chunks)
    : chunks_(std::move(chunks)),
      order_(key, chunks_->count()),
      in_turn_(in_order(*chunks_, order_)) {}

RowPart::RowPart(std::shared_ptr<const ChunkRow> row, std::int64_t first, std::int64_t last,
                 std::optional<base::PhiloxKey> reorder)
    : row_(std::move(row)),
      first_(first),
      last_(last),
      first_turn_(row_->in_turn().chunk_of(first)),
      in_turn_(cut_out(row_->in_turn(), first, last)) {
  if (!reorder) return;
  reorder_.emplace(*reorder, in_turn_.count());
  in_turn_ = in_order(in_turn_, *reorder_);
}

std::int64_t RowPart::row_turn(std::int64_t turn) const {
  return first_turn_ + (reorder_ ? reorder_->at(turn) : turn);
}

Piece RowPart::piece(std::int64_t turn) const {
  const std::int64_t in_row = row_turn(turn), begin = row_->in_turn().first_sample(in_row),
                     end = row_->in_turn().first_sample(in_row + 1);
  const std::int64_t chunk = row_->chunk_at(in_row), sample = row_->chunks().first_sample(chunk);
  return {chunk, sample + std::max(first_, begin) - begin, sample + std::min(last_, end) - begin};
}

}  // namespace vae_dist::data
