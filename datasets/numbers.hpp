// What numbers there are: how many, from where to where, and how many are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hdf5/stored_number.hpp"

namespace vae_dist::datasets {

struct Numbers {
  std::int64_t values = 0, not_a_number = 0, infinite = 0;
  long double least = 0, greatest = 0;  ///< of the finite ones, where there is one; exact for every
                                        ///< integer of 64 bits (on x86-64 and ARM64)

  bool any_finite() const { return values > not_a_number + infinite; }
  void add(const Numbers& other);
};

/// All digits of integers, ten of others.
std::string number_text(long double value);

Numbers numbers_of(std::span<const double> values);
/// Of values as a dataset stores them; `stored` holds whole ones.
Numbers numbers_of(const hdf5::StoredNumber& number, std::span<const std::byte> stored);

}  // namespace vae_dist::datasets
