// The check of readers that are handed a buffer: a shorter one would be written past its end.
#pragma once

#include <cstddef>
#include <stdexcept>

#include "base/text.hpp"

namespace vae_dist::base {

/// Throws std::invalid_argument, naming the reader ("StoredRows::read"), unless its buffer has
/// exactly the bytes that it writes.
inline void require_bytes(const char* reader, std::size_t buffer, std::size_t written) {
  if (buffer != written)
    throw std::invalid_argument(
        text(reader, ": the buffer has ", buffer, " bytes, but ", written, " are read"));
}

}  // namespace vae_dist::base
