#include "base/error.hpp"
#include "datasets/npy_header.hpp"

// Any text is parsed as a header whose size in bytes can be computed, or rejected with BadInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vae_dist;
  try {
    const datasets::NpyHeader header =
        datasets::parse_npy_header({reinterpret_cast<const char*>(bytes), size});
    if (header.bytes() < 0 || header.type_name().empty()) __builtin_trap();
  } catch (const base::BadInput&) {
  }
  return 0;
}
