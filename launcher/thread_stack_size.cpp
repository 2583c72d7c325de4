// Gives threads that ask for a very small stack a larger one.
//
// The metrics server's library (civetweb) starts its threads with 100 KiB. glibc takes the
// thread-local variables of all linked libraries out of that stack, and those of the CUDA wheels
// alone need 170 KiB (cublasLt 92 KiB), so pthread_create refuses with EINVAL and no metrics would
// be served. The size is built into the library; a definition in the program comes before glibc's.
#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <cstddef>

extern "C" int pthread_attr_setstacksize(pthread_attr_t* attributes, std::size_t bytes) noexcept {
  constexpr std::size_t kLeast = std::size_t{1} << 20;
  using SetStackSize = int (*)(pthread_attr_t*, std::size_t);
  static const auto original =
      reinterpret_cast<SetStackSize>(dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  return original(attributes, std::max(bytes, kLeast));
}
