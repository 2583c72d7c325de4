// How fast one thread multiplies and adds at best: a yardstick that no library moves.
#pragma once

#include <cstdint>

namespace vae_dist::kernels {

/// Returns the operations per second (two per multiply-add) of one thread that does nothing but
/// fused multiply-adds of independent values in registers, in vectors of at most
/// `widest_vector_bytes` (16: SSE and NEON, 32: AVX2, 64: AVX-512): the best of several loops and
/// repetitions, in fp32 or fp64. Takes about a tenth of a second. A processor without fused
/// multiply-adds multiplies and adds instead.
double fma_peak_fp32(std::int64_t widest_vector_bytes);
double fma_peak_fp64(std::int64_t widest_vector_bytes);

}  // namespace vae_dist::kernels
