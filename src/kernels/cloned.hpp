// Builds a function once for each x86 instruction set; the loader picks one when the program
// starts.
//
//     VAE_DIST_INLINED void add(...) { the loop, a template if need be }
//     VAE_DIST_CLONED void add_floats(...) { add<float>(...); }
//
// Only plain functions can be cloned, so templates are inlined into them. Under ThreadSanitizer
// there is one version: the loader would call the choice between them, which is instrumented,
// before the sanitizer has started.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#define VAE_DIST_CLONED \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VAE_DIST_CLONED
#endif
#define VAE_DIST_INLINED [[gnu::always_inline]] inline
