#include <algorithm>

#include "base/error.hpp"
#include "datasets/idx_reader.hpp"
#include "memory_file.hpp"

// Any bytes are read as an IDX file or rejected with BadInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vae_dist;
  const MemoryFile file(bytes, size);
  for (const std::size_t axes : {1, 3}) {
    try {
      datasets::IdxReader reader(file.path(), axes, "images have");
      const std::int64_t rows = reader.shape()[0],
                         block = std::max<std::int64_t>(1, (1 << 16) / reader.row_bytes());
      for (std::int64_t first = 0; first < rows; first += block) {
        const std::int64_t count = std::min(block, rows - first);
        if (reader.read_rows(count).size() != static_cast<std::size_t>(count * reader.row_bytes()))
          __builtin_trap();
      }
      reader.expect_end();
    } catch (const base::BadInput&) {
    }
  }
  return 0;
}
