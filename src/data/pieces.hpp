// Reads pieces of chunks (chunk_row.hpp) and finds the images in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "data/chunk_row.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

/// Returns the bytes of the decoded images of a piece.
std::size_t bytes_of(const Piece& piece, const SampleDataset& dataset);

/// Decodes the images of a piece into `out`, bytes_of(piece), one after another. Thread-safe if
/// each thread has its own buffers. Throws Failure as arrays::DecodedRows::read does.
void read_piece(const Piece& piece, const SampleDataset& dataset, std::span<std::byte> out,
                arrays::RowBuffers& buffers);

/// Tells the system that the piece will be read soon.
void will_need(const Piece& piece, const SampleDataset& dataset);

/// Decoded pieces, by the samples in them.
class PieceIndex {
 public:
  explicit PieceIndex(const SampleDataset& dataset);

  void add(const Piece& piece, const std::byte* images);
  void clear() { pieces_.clear(); }

  /// Returns the image of a sample. Throws std::out_of_range if it is in no piece that was added.
  std::span<const std::byte> image(std::int64_t sample) const;

 private:
  struct Decoded {
    Piece piece;
    const std::byte* images;
  };
  SampleChunks chunks_;
  SampleRows samples_;
  const arrays::DecodedRows* rows_;  // shared by a dataset, wherever it is moved, and its parts
  // A cut leaves two pieces of a chunk, and both may be here.
  std::unordered_map<std::int64_t, std::vector<Decoded>> pieces_;
};

}  // namespace vae_dist::data
