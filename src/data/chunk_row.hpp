// The chunks of a dataset in an order drawn by a key, as one row of samples, and parts of that row.
// A part begins and ends at any sample, so its first and last chunk may be cut. It is a sequence of
// pieces, numbered by turns from 0.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "data/sample_chunks.hpp"
#include "data/sample_order.hpp"

namespace vae_dist::data {

/// Consecutive samples of one chunk: the whole chunk, or what a cut leaves of it.
struct Piece {
  std::int64_t chunk = 0;
  std::int64_t first = 0, last = 0;  ///< samples; last is excluded

  std::int64_t size() const { return last - first; }
  bool operator==(const Piece&) const = default;
};

class ChunkRow {
 public:
  ChunkRow(base::PhiloxKey key, std::shared_ptr<const SampleChunks> chunks);

  const SampleChunks& chunks() const { return *chunks_; }
  const SampleChunks& in_turn() const { return in_turn_; }  ///< the chunks as they stand in the row
  std::int64_t chunk_at(std::int64_t turn) const { return order_.at(turn); }
  std::int64_t turn_of(std::int64_t chunk) const { return order_.position_of(chunk); }

 private:
  std::shared_ptr<const SampleChunks> chunks_;
  SampleOrder order_;
  SampleChunks in_turn_;
};

class RowPart {
 public:
  /// The samples at places [first, last) of the row, first < last. With `reorder`, the pieces come
  /// in an order that this key draws, instead of the row's.
  RowPart(std::shared_ptr<const ChunkRow> row, std::int64_t first, std::int64_t last,
          std::optional<base::PhiloxKey> reorder = std::nullopt);

  std::int64_t samples() const { return last_ - first_; }
  std::int64_t turns() const { return in_turn_.count(); }
  Piece piece(std::int64_t turn) const;
  const SampleChunks& in_turn() const { return in_turn_; }  ///< the pieces' sizes, in their order

 private:
  std::int64_t row_turn(std::int64_t turn) const;

  std::shared_ptr<const ChunkRow> row_;
  std::int64_t first_, last_, first_turn_;
  std::optional<SampleOrder> reorder_;
  SampleChunks in_turn_;
};

}  // namespace vae_dist::data
