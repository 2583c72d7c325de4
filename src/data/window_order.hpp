// The order of the samples of a part of a row of chunks (chunk_row.hpp): its pieces are cut into
// windows of nearly equal numbers of pieces, and the samples of a window are shuffled together. So
// the part can be read piece by piece, and any position is found in constant time.
#pragma once

#include <cstdint>

#include "data/chunk_row.hpp"

namespace vae_dist::data {

class WindowOrder {
 public:
  /// `window_chunks`: approximate number of pieces in a window; 0: all pieces. `seed` draws the
  /// order within the windows, which differs by `part`, the number of the part in the row.
  WindowOrder(RowPart pieces, std::int64_t window_chunks, std::uint64_t seed, std::int64_t part);

  std::int64_t samples() const { return pieces_.samples(); }
  std::int64_t turns() const { return pieces_.turns(); }
  std::int64_t windows() const { return count_; }
  Piece piece(std::int64_t turn) const { return pieces_.piece(turn); }

  /// Returns the sample at `position` of the part, 0 <= position < samples().
  std::int64_t at(std::int64_t position) const;

  /// The turns of a window.
  struct Turns {
    std::int64_t first = 0, last = 0;  ///< last is excluded
  };
  Turns turns_of(std::int64_t window) const;
  /// Returns the first position of a window; for windows(): samples().
  std::int64_t first_position(std::int64_t window) const;
  /// Returns the window that the sample at this position belongs to.
  std::int64_t window_at(std::int64_t position) const;

 private:
  std::int64_t first_turn(std::int64_t window) const;

  RowPart pieces_;
  std::int64_t count_;  // of windows
  std::uint64_t seed_;
  std::int64_t part_;
};

}  // namespace vae_dist::data
