#include <algorithm>

#include "base/error.hpp"
#include "datasets/npy_array.hpp"
#include "memory_file.hpp"

namespace vae_dist {
namespace {

void read_all(const datasets::ZipArchive& archive, const std::string& key,
              datasets::NpyTarget target) {
  datasets::NpyArray array(archive, key);
  if (array.header().values() == 0 || array.header().shape.empty()) return;
  // Few blocks, because a Fortran-ordered array is streamed from its beginning for each.
  const std::int64_t block =
      std::max<std::int64_t>({1, array.rows() / 4, (1 << 16) / array.row_values()});
  for (std::int64_t first = 0; first < array.rows(); first += block) {
    const std::int64_t count = std::min(block, array.rows() - first);
    if (array.read_rows(count, target).size() !=
        static_cast<std::size_t>(count * array.row_values() * datasets::bytes_of(target)))
      __builtin_trap();
  }
  array.expect_end();
}

}  // namespace
}  // namespace vae_dist

// Any bytes are an .npz file whose arrays can be read to the end, or are rejected with BadInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vae_dist;
  const MemoryFile file(bytes, size);
  try {
    const datasets::ZipArchive archive(file.path());
    for (const std::string& name : archive.names()) {
      for (const datasets::NpyTarget target :
           {datasets::NpyTarget::uint8, datasets::NpyTarget::int64, datasets::NpyTarget::float32}) {
        try {
          read_all(archive, name.substr(0, name.size() - std::min<std::size_t>(name.size(), 4)),
                   target);
        } catch (const base::BadInput&) {
        }
      }
    }
  } catch (const base::BadInput&) {
  }
  return 0;
}
