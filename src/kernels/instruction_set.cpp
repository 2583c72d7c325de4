#include "kernels/instruction_set.hpp"

#include <ATen/Version.h>

#include <algorithm>
#include <stdexcept>

#include "base/cpu_features.hpp"

namespace vae_dist::kernels {
namespace {

InstructionSet of_cpu() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return InstructionSet::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

// LibTorch says "DEFAULT", "AVX2", "AVX512" or the name of a later extension of AVX-512.
InstructionSet of_torch() {
  const std::string word = at::get_cpu_capability();
  if (word == "DEFAULT") return InstructionSet::baseline;
  return word == "AVX2" ? InstructionSet::avx2 : InstructionSet::avx512;
}

}  // namespace

std::string word(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
  }
  throw std::logic_error("unknown value of InstructionSet");
}

InstructionSet instruction_set() {
  static const InstructionSet best = std::min(of_cpu(), of_torch());
  return best;
}

bool multiplies_bfloat16() {
  static const bool able = base::multiplies_bfloat16(base::read_cpuinfo());
#if defined(__x86_64__)
  return able && instruction_set() == InstructionSet::avx512;
#else
  return able;
#endif
}

Bfloat16Products bfloat16_products() {
  if (!multiplies_bfloat16()) return Bfloat16Products::rounded;
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512bf16"))
    return __builtin_cpu_supports("amx-bf16") ? Bfloat16Products::tiles : Bfloat16Products::vectors;
#endif
  return Bfloat16Products::other;
}

}  // namespace vae_dist::kernels
