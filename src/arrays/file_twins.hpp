// Files that a program wrote one after another mostly differ in their values alone. Where all bytes
// of a file outside the values are those of a file that is known, so is all that HDF5 would say
// about it: HDF5 takes about a tenth of a millisecond to open a file, comparing these bytes a few
// microseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arrays/array_file.hpp"

namespace vae_dist::arrays {

/// Thread-safe.
class FileTwins {
 public:
  /// `known` outlives this object. Throws Failure if its bytes cannot be read.
  explicit FileTwins(const ArrayFile& known);

  /// Returns the arrays of this file if it is a twin of the known one, that is, if both differ in
  /// the arrays' values alone; otherwise null. Of a known file whose arrays are not contiguous, lie
  /// in other files, or lie among more than 64 KiB of other bytes, no twins are looked for, nor
  /// when the first few files were none. Throws BadInput if the file cannot be opened.
  std::shared_ptr<const ArrayFile> open(const std::string& file) const;

 private:
  // Bytes outside the values.
  struct Piece {
    std::uint64_t offset;
    std::vector<std::byte> bytes;
  };

  const ArrayFile& known_;
  std::int64_t size_ = 0;      // of the file
  std::vector<Piece> pieces_;  // empty: no twins are looked for
  mutable std::atomic<std::int64_t> twins_{0}, others_{0};
};

}  // namespace vae_dist::arrays
