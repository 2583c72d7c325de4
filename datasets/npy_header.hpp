// Parses the header of numpy's .npy format (numpy.lib.format; NEP 1), versions 1.0 to 3.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vae_dist::datasets {

struct NpyHeader {
  char kind = 'u';     ///< b bool, u unsigned, i signed, f float; other kinds are rejected
  int item_bytes = 1;  ///< b: 1; u, i: 1, 2, 4, 8; f: 2, 4, 8
  bool big_endian = false;
  bool fortran_order = false;       ///< the first axis varies fastest
  std::vector<std::int64_t> shape;  ///< the product of all sizes and item_bytes fits in 63 bits

  std::string type_name() const;  ///< "uint8", "float16", "bool"
  std::int64_t values() const;
  std::int64_t bytes() const { return values() * item_bytes; }
};

/// Parses the text that follows the magic and the length: "{'descr': '<f4', 'fortran_order': False,
/// 'shape': (10, 28, 28), }". Throws BadInput, without naming the file, if the text is not such a
/// dictionary or the elements are not plain numbers (objects, text, records, complex).
NpyHeader parse_npy_header(std::string_view dictionary);

}  // namespace vae_dist::datasets
