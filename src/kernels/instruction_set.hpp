// The vector instructions for which loops of our own are compiled, and which of them this process
// may use.
#pragma once

#include <string>

namespace vae_dist::kernels {

/// Ordered: each has the instructions of those before it.
enum class InstructionSet {
  baseline,  ///< what every CPU of the architecture has
  avx2,      ///< AVX2 and FMA: 8 values of fp32
  avx512,    ///< AVX-512 F, BW, DQ and VL: 16 values of fp32
};

/// Returns "baseline", "avx2" or "avx512".
std::string word(InstructionSet set);

/// Returns the best that this CPU has, but at most what LibTorch uses for its own kernels. The
/// environment variable ATEN_CPU_CAPABILITY (default, avx2 or avx512) limits both, so that a test
/// can imitate another CPU.
InstructionSet instruction_set();

/// Returns whether the CPU multiplies bfloat16 (AVX512_BF16 or AMX on x86, BF16 on ARM) and
/// instruction_set() is not limited to less than AVX-512.
bool multiplies_bfloat16();

/// How this CPU multiplies bfloat16.
enum class Bfloat16Products {
  rounded,  ///< as fp32: multiplies_bfloat16() is false
  vectors,  ///< pairs, by AVX512_BF16
  tiles,    ///< by AMX, several times as fast as by vectors, which it has too
  other,    ///< by instructions for which no loops of our own are compiled (ARM)
};

Bfloat16Products bfloat16_products();

}  // namespace vae_dist::kernels
