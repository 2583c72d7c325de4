#include "data/pieces.hpp"

#include <cstring>
#include <stdexcept>

#include "base/require_bytes.hpp"

namespace vae_dist::data {
namespace {

// The rows from the piece's first sample to its last, held-out rows between them among them.
arrays::RowRange rows_of(const Piece& piece, const SampleRows& samples) {
  return {samples.row(piece.first), samples.row(piece.last - 1) + 1};
}

std::size_t bytes_of(const Piece& piece, const arrays::DecodedRows& rows,
                     const SampleRows& samples) {
  if (!rows.packs()) return static_cast<std::size_t>(piece.size()) * rows.image_bytes();
  std::size_t bytes = 0;
  for (std::int64_t sample = piece.first; sample < piece.last; ++sample)
    bytes += rows.packed_bytes(samples.row(sample), 1);
  return bytes;
}

}  // namespace

std::size_t bytes_of(const Piece& piece, const SampleDataset& dataset) {
  return bytes_of(piece, dataset.rows(), dataset.samples());
}

void read_piece(const Piece& piece, const SampleDataset& dataset, std::span<std::byte> out,
                arrays::RowBuffers& buffers) {
  base::require_bytes("read_piece", out.size(), bytes_of(piece, dataset));
  const arrays::RowRange range = rows_of(piece, dataset.samples());
  const arrays::DecodedRows& rows = dataset.rows();
  if (range.size() == piece.size())
    return rows.read_packed(range.first, range.size(), out, buffers);
  std::vector<std::byte> all(rows.packed_bytes(range.first, range.size()));
  rows.read_packed(range.first, range.size(), all, buffers);
  std::byte* to = out.data();
  for (std::int64_t sample = piece.first; sample < piece.last; ++sample) {
    const std::int64_t row = dataset.samples().row(sample);
    const std::size_t bytes = rows.packed_bytes(row, 1);
    std::memcpy(to, all.data() + rows.packed_bytes(range.first, row - range.first), bytes);
    to += bytes;
  }
}

void will_need(const Piece& piece, const SampleDataset& dataset) {
  const arrays::RowRange rows = rows_of(piece, dataset.samples());
  dataset.rows().will_need(rows.first, rows.size());
}

PieceIndex::PieceIndex(const SampleDataset& dataset)
    : chunks_(dataset.chunks()), samples_(dataset.samples()), rows_(&dataset.rows()) {}

void PieceIndex::add(const Piece& piece, const std::byte* images) {
  pieces_[piece.chunk].push_back({piece, images});
}

std::span<const std::byte> PieceIndex::image(std::int64_t sample) const {
  for (const Decoded& d : pieces_.at(chunks_.chunk_of(sample)))
    if (d.piece.first <= sample && sample < d.piece.last)
      return {d.images + bytes_of({d.piece.chunk, d.piece.first, sample}, *rows_, samples_),
              rows_->packed_bytes(samples_.row(sample), 1)};
  throw std::out_of_range("this rank does not hold the sample");
}

}  // namespace vae_dist::data
