// LZF, the fast compression of h5py (`compression="lzf"`), which HDF5 itself does not support.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace vae_dist::hdf5 {

/// The id of LZF in the HDF Group's filter registry.
inline constexpr int kLzfFilter = 32000;

/// Decompresses `stream` into `out` and returns the number of bytes written. Returns nothing if the
/// stream is damaged or does not fit into `out`.
std::optional<std::size_t> lzf_decompressed(std::span<const std::byte> stream,
                                            std::span<std::byte> out);

/// Registers LZF with HDF5, so that the library can read such chunks too. The caller holds the
/// library's lock.
bool register_lzf_filter();

}  // namespace vae_dist::hdf5
