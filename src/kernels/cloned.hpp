// Builds a function once for each x86 instruction set.
//
//     VAE_DIST_INLINED void add(...) { the loop, a template if need be }
//     VAE_DIST_VERSIONS(add_floats, (float* sum, const float* x), (sum, x), add<float>)
//
// defines add_floats(sum, x) in three versions, of which each call takes that of instruction_set().
// Only plain functions can be built so; templates are inlined into them.
#pragma once

#include "kernels/instruction_set.hpp"

#define VAE_DIST_INLINED [[gnu::always_inline]] inline

// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are a name and lists in parentheses
#if defined(__x86_64__) && defined(__GNUC__)
#define VAE_DIST_VERSIONS(name, parameters, arguments, loop)                                  \
  __attribute__((target("arch=x86-64-v4"))) void name##_avx512 parameters { loop arguments; } \
  __attribute__((target("arch=x86-64-v3"))) void name##_avx2 parameters { loop arguments; }   \
  void name##_baseline parameters { loop arguments; }                                         \
  void name parameters {                                                                      \
    switch (::vae_dist::kernels::instruction_set()) {                                         \
      case ::vae_dist::kernels::InstructionSet::avx512:                                       \
        return name##_avx512 arguments;                                                       \
      case ::vae_dist::kernels::InstructionSet::avx2:                                         \
        return name##_avx2 arguments;                                                         \
      case ::vae_dist::kernels::InstructionSet::baseline:                                     \
        return name##_baseline arguments;                                                     \
    }                                                                                         \
  }
#else
#define VAE_DIST_VERSIONS(name, parameters, arguments, loop) \
  void name parameters { loop arguments; }
#endif
// NOLINTEND(bugprone-macro-parentheses)
