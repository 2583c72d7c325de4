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

}  // namespace

std::size_t bytes_of(const Piece& piece, const SampleDataset& dataset) {
  return static_cast<std::size_t>(piece.size()) * dataset.rows().image_bytes();
}

void read_piece(const Piece& piece, const SampleDataset& dataset, std::span<std::byte> out,
                arrays::RowBuffers& buffers) {
  base::require_bytes("read_piece", out.size(), bytes_of(piece, dataset));
  const arrays::RowRange rows = rows_of(piece, dataset.samples());
  if (rows.size() == piece.size())
    return dataset.rows().read(rows.first, rows.size(), out, buffers);
  const std::size_t image_bytes = dataset.rows().image_bytes();
  std::vector<std::byte> all(static_cast<std::size_t>(rows.size()) * image_bytes);
  dataset.rows().read(rows.first, rows.size(), all, buffers);
  for (std::int64_t i = 0; i < piece.size(); ++i)
    std::memcpy(
        out.data() + static_cast<std::size_t>(i) * image_bytes,
        all.data() + static_cast<std::size_t>(dataset.samples().row(piece.first + i) - rows.first) *
                         image_bytes,
        image_bytes);
}

void will_need(const Piece& piece, const SampleDataset& dataset) {
  const arrays::RowRange rows = rows_of(piece, dataset.samples());
  dataset.rows().will_need(rows.first, rows.size());
}

PieceIndex::PieceIndex(const SampleDataset& dataset)
    : chunks_(dataset.chunks()), image_bytes_(dataset.rows().image_bytes()) {}

void PieceIndex::add(const Piece& piece, const std::byte* images) {
  pieces_[piece.chunk].push_back({piece, images});
}

std::span<const std::byte> PieceIndex::image(std::int64_t sample) const {
  for (const Decoded& d : pieces_.at(chunks_.chunk_of(sample)))
    if (d.piece.first <= sample && sample < d.piece.last)
      return {d.images + static_cast<std::size_t>(sample - d.piece.first) * image_bytes_,
              image_bytes_};
  throw std::out_of_range("this rank does not hold the sample");
}

}  // namespace vae_dist::data
