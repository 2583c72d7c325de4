// LZF, the fast compression of h5py (`compression="lzf"`), which HDF5 itself does not know.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace vae_dist::hdf5 {

/// Its number among the HDF Group's registered filters.
inline constexpr int kLzfFilter = 32000;

/// Fills `out`; empty where the stream is damaged or holds more than that. Returns the bytes that
/// were written.
std::optional<std::size_t> lzf_decompressed(std::span<const std::byte> stream,
                                            std::span<std::byte> out);

/// From now on HDF5 itself reads such chunks too. The caller holds the library's lock.
bool register_lzf_filter();

}  // namespace vae_dist::hdf5
