// Slows down the writing of checkpoints in ranks that preload it (LD_PRELOAD), so that a signal can
// hit a write in any state. VAE_DIST_SLOW_WRITES_MS is the pause before each piece of a file, each
// fsync and each rename. Pieces are about a tenth of a file.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool is_of_checkpoint(const char* path) {
  return std::strstr(path, "/checkpoints/.tmp_step_") != nullptr;
}

bool is_of_checkpoint(int fd) {
  char path[4096] = {};
  return readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path - 1) > 0 &&
         is_of_checkpoint(path);
}

void pause_a_while() {
  const char* const milliseconds = std::getenv("VAE_DIST_SLOW_WRITES_MS");
  usleep(milliseconds ? 1000 * static_cast<useconds_t>(std::atoi(milliseconds)) : 0);
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (!is_of_checkpoint(fd)) return real(fd, data, size);
  pause_a_while();
  // A short write, as POSIX allows. The caller continues with the rest.
  return real(fd, data, size > 64 ? size / 4 : size);
}

int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  if (is_of_checkpoint(fd)) pause_a_while();
  return real(fd);
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  if (is_of_checkpoint(from)) pause_a_while();
  const int result = real(from, to);
  if (is_of_checkpoint(from)) pause_a_while();
  return result;
}
}
