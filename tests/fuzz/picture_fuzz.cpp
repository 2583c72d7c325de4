#include "base/error.hpp"
#include "datasets/read_picture.hpp"

// Any bytes are decoded to a complete picture or rejected with BadInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vae_dist;
  try {
    const plot::Picture picture = datasets::decode_picture({bytes, size}, 255, 1 << 16);
    const auto values = static_cast<std::size_t>(picture.height) *
                        static_cast<std::size_t>(picture.width) *
                        static_cast<std::size_t>(picture.channels);
    if (values == 0 || picture.pixels.size() != values ||
        (picture.channels != 1 && picture.channels != 3))
      __builtin_trap();
  } catch (const base::BadInput&) {
  }
  return 0;
}
