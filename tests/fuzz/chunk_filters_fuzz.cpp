// libFuzzer target: any bytes, as a stored chunk under any filter pipeline, are either decoded or
// rejected as damaged, and no byte beyond the chunk is written. Input: number of filters, a byte
// for each (kind and element size), the mask, the decoded size (2 bytes), then the stored bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "hdf5/chunk_filters.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vae_dist;
  const auto next = [&]() -> std::uint8_t {
    if (size == 0) return 0;
    --size;
    return *data++;
  };
  std::vector<hdf5::ChunkFilter> pipeline(next() % 5);
  for (hdf5::ChunkFilter& filter : pipeline) {
    const std::uint8_t byte = next();
    filter.kind = static_cast<hdf5::ChunkFilter::Kind>(byte % 4);
    filter.element_bytes = 1 + byte / 4 % 17;
  }
  const std::uint32_t mask = next();
  std::size_t out_size = next();
  out_size = out_size << 8 | next();
  if (!hdf5::can_undo(pipeline)) return 0;

  constexpr std::size_t kGuard = 64;
  constexpr std::byte kUntouched{0x5a};
  std::vector<std::byte> out(out_size + kGuard, kUntouched);
  try {
    static hdf5::ChunkDecoder decoder;  // reused for many chunks, as in a run
    decoder.decode(pipeline, mask, {reinterpret_cast<const std::byte*>(data), size},
                   std::span(out).first(out_size));
  } catch (const hdf5::DamagedChunk&) {
  }
  if (!std::all_of(out.end() - kGuard, out.end(), [](std::byte b) { return b == kUntouched; }))
    std::abort();
  return 0;
}
