#include <algorithm>

#include "base/error.hpp"
#include "datasets/npy_array.hpp"
#include "memory_file.hpp"

namespace vae_dist {
namespace {

void read_all(const ZipArchive& archive, const std::string& key, NpyTarget target) {
  NpyArray array(archive, key);
  if (array.header().values() == 0 || array.header().shape.empty()) return;
  // A Fortran-ordered array is streamed anew for each block: few of them.
  const std::int64_t block = std::max<std::int64_t>({1, array.rows() / 4, (1 << 16) / array.row_values()});
  for (std::int64_t first = 0; first < array.rows(); first += block) {
    const std::int64_t count = std::min(block, array.rows() - first);
    if (array.read_rows(count, target).size() != static_cast<std::size_t>(count * array.row_values() * bytes_of(target))) __builtin_trap();
  }
  array.expect_end();
}

}  // namespace
}  // namespace vae_dist

// Any bytes are an .npz file whose arrays can be read to their ends, or a BadInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vae_dist;
  const MemoryFile file(bytes, size);
  try {
    const ZipArchive archive(file.path());
    for (const std::string& name : archive.names()) {
      for (const NpyTarget target : {NpyTarget::uint8, NpyTarget::int64, NpyTarget::float32}) {
        try {
          read_all(archive, name.substr(0, name.size() - std::min<std::size_t>(name.size(), 4)), target);
        } catch (const BadInput&) {
        }
      }
    }
  } catch (const BadInput&) {
  }
  return 0;
}
