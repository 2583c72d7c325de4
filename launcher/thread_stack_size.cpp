// Gives threads that request a very small stack a larger one.
//
// The library of the metrics server (civetweb) starts its threads with a stack of 100 KiB. glibc
// takes the thread-local variables of all linked libraries from that stack, and those of the CUDA
// wheels alone need 170 KiB (cublasLt 92 KiB). pthread_create then fails with EINVAL, and no
// metrics would be served. The size is hard-coded in the library, but a definition in the program
// takes precedence over that of glibc.
#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <cstddef>

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): those names are glibc's own
extern "C" int pthread_attr_setstacksize(pthread_attr_t* attributes, std::size_t bytes) noexcept {
  constexpr std::size_t kLeast = std::size_t{1} << 20;
  using SetStackSize = int (*)(pthread_attr_t*, std::size_t);
  static const auto original =
      reinterpret_cast<SetStackSize>(dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  return original(attributes, std::max(bytes, kLeast));
}
