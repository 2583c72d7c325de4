// Statistics of a set of numbers: count, range, and how many are NaN or infinite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hdf5/stored_number.hpp"

namespace vae_dist::datasets {

struct Numbers {
  std::int64_t values = 0, not_a_number = 0, infinite = 0;
  long double least = 0, greatest = 0;  ///< of the finite values, if any; exact for all 64-bit
                                        ///< integers (on x86-64 and ARM64)

  bool any_finite() const { return values > not_a_number + infinite; }
  void add(const Numbers& other);
};

/// Formats integers with all digits, other values with ten.
std::string number_text(long double value);

Numbers numbers_of(std::span<const double> values);
/// The same for values as a dataset stores them. `stored` holds whole values.
Numbers numbers_of(const hdf5::StoredNumber& number, std::span<const std::byte> stored);

}  // namespace vae_dist::datasets
