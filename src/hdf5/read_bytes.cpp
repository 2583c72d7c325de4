#include "hdf5/read_bytes.hpp"

#include <atomic>

namespace vae_dist::hdf5 {
namespace {

std::atomic<std::uint64_t> read_bytes{0};

}  // namespace

void add_read_bytes(std::size_t bytes) { read_bytes.fetch_add(bytes, std::memory_order_relaxed); }

std::uint64_t read_bytes_so_far() { return read_bytes.load(std::memory_order_relaxed); }

}  // namespace vae_dist::hdf5
