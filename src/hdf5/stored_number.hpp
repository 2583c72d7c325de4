// The plain numbers that a dataset may hold, as bytes, and their values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vae_dist::hdf5 {

struct StoredNumber {
  enum class Kind { unsigned_integer, signed_integer, ieee_float };
  Kind kind = Kind::unsigned_integer;
  std::size_t bytes = 1;  ///< 1, 2, 4, 8; floats 2, 4, 8
  bool big_endian = false;

  bool is_byte() const { return kind == Kind::unsigned_integer && bytes == 1; }
  bool operator==(const StoredNumber&) const = default;
};

/// The values of `stored`, rounded to float. Returns the place of the first that is no finite float
/// (NaN, infinite, too large), if any. stored.size() == out.size() * number.bytes.
std::optional<std::size_t> to_floats(const StoredNumber& number, std::span<const std::byte> stored,
                                     std::span<float> out);

/// The values as integers, exactly; unsigned ones above 2^63 - 1 wrap around, so that different
/// numbers stay different. Returns the place of the first that is no whole number, if any. Same
/// sizes.
std::optional<std::size_t> to_integers(const StoredNumber& number,
                                       std::span<const std::byte> stored,
                                       std::span<std::int64_t> out);

/// The values as doubles, rounded where they are integers above 2^53. Same sizes.
void to_doubles(const StoredNumber& number, std::span<const std::byte> stored,
                std::span<double> out);

}  // namespace vae_dist::hdf5
