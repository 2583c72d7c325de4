#include "hdf5/lzf_filter.hpp"

#include <hdf5.h>
#include <lzf.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace vae_dist::hdf5 {
namespace {

// Implements HDF5's filter interface, for reading only. The third of `values` is the size of a
// chunk before compression, as written by h5py.
std::size_t read_lzf(unsigned flags, std::size_t count, const unsigned values[], std::size_t bytes,
                     std::size_t* buffer_size, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  const std::span stream(static_cast<const std::byte*>(*buffer), bytes);
  for (std::size_t size = count >= 3 && values[2] > 0 ? values[2] : 2 * bytes;; size *= 2) {
    void* const memory = std::malloc(size);
    if (memory == nullptr) return 0;
    if (const auto filled = lzf_decompressed(stream, {static_cast<std::byte*>(memory), size})) {
      std::free(*buffer);
      *buffer = memory;
      *buffer_size = size;
      return *filled;
    }
    const bool too_small = errno == E2BIG;
    std::free(memory);
    if (!too_small || size > std::size_t{1} << 32) return 0;
  }
}

}  // namespace

std::optional<std::size_t> lzf_decompressed(std::span<const std::byte> stream,
                                            std::span<std::byte> out) {
  if (stream.size() > 0xffffffff || out.size() > 0xffffffff) return std::nullopt;
  const unsigned filled = ::lzf_decompress(stream.data(), static_cast<unsigned>(stream.size()),
                                           out.data(), static_cast<unsigned>(out.size()));
  return filled > 0 ? std::optional<std::size_t>(filled) : std::nullopt;
}

bool register_lzf_filter() {
  const H5Z_class2_t lzf = {H5Z_CLASS_T_VERS, kLzfFilter, 0, 1, "lzf", nullptr, nullptr, read_lzf};
  return H5Zregister(&lzf) >= 0;
}

}  // namespace vae_dist::hdf5
