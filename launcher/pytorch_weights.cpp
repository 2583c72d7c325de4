#include "launcher/pytorch_weights.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "launcher/pytorch_weights_script.hpp"

namespace vae_dist::launcher {
namespace {

std::string python() {
  const char* chosen = std::getenv("VAE_DIST_TORCH_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : kPython;
}

// Reads what the child writes to stderr until it ends.
std::string read_to_end(int fd) {
  std::string out;
  char part[4096];
  for (;;) {
    const ssize_t n = ::read(fd, part, sizeof part);
    if (n > 0) out.append(part, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EINTR)) return out;
  }
}

std::string last_line(const std::string& words) {
  const std::size_t end = words.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const std::size_t begin = words.rfind('\n', end);
  return words.substr(begin == std::string::npos ? 0 : begin + 1,
                      end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

// Returns enough bytes to distinguish the file types.
std::string first_bytes(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw base::BadInput(base::text(path, " is a directory; name a weights file"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open())
    throw base::BadInput(base::text("cannot read ", path, ": ", std::strerror(errno)));
  std::string out(16, '\0');
  file.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(file.gcount()));
  return out;
}

// Runs without a shell, so file names may contain any character.
void run_script(const std::string& direction, const std::string& in, const std::string& out) {
  const std::string interpreter = python();
  std::vector<std::string> words = {interpreter, "-c", kPytorchWeightsScript, direction, in, out};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw base::Failure(base::text("cannot create a pipe: ", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, interpreter.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  const std::string said = failed != 0 ? "" : read_to_end(ends[0]);
  ::close(ends[0]);
  const std::string remedy =
      ". PyTorch files need a Python with torch. Name one in the environment variable "
      "VAE_DIST_TORCH_PYTHON, or use safetensors";
  if (failed != 0)
    throw base::BadInput(
        base::text("cannot start ", interpreter, ": ", std::strerror(failed), remedy));

  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) throw base::BadInput(last_line(said));
  throw base::BadInput(base::text(interpreter, " failed: ", last_line(said), remedy));
}

}  // namespace

bool has_pytorch_name(const std::string& path) {
  constexpr const char* kEndings[] = {".pt", ".pth", ".pth.tar", ".ckpt", ".bin"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* ending) { return path.ends_with(ending); });
}

bool is_pytorch_file(const std::string& path) {
  const std::string start = first_bytes(path);
  const auto begins = [&](std::string_view with) { return start.starts_with(with); };
  // torch.save writes a zip archive or, before 1.6, a pickle of protocol 2 or later.
  if (begins("PK\x03\x04")) return true;
  if (start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5) return true;
  // safetensors begins with the length of its header in 8 bytes, followed by the header.
  if (start.size() > 8 && start[8] == '{') return false;
  const char* seems = begins("\x89HDF")    ? "HDF5 (perhaps Keras weights)"
                      : begins("\x1f\x8b") ? "compressed with gzip; run gunzip on it first"
                      : begins("{")        ? "JSON"
                      : start.empty()      ? "empty"
                                           : "of an unknown type";
  throw base::BadInput(base::text(path,
                                  " is neither a safetensors file nor a PyTorch weights file, "
                                  "judging by its first bytes: it is ",
                                  seems));
}

TemporaryWeights::TemporaryWeights() {
  std::string name = (std::filesystem::temp_directory_path() / "vae_dist_weights_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw base::Failure(base::text("cannot create a folder in ",
                                   std::filesystem::temp_directory_path().string(), ": ",
                                   std::strerror(errno)));
  folder_ = name;
}

TemporaryWeights::~TemporaryWeights() {
  ::unlink(path().c_str());
  ::rmdir(folder_.c_str());
}

void pytorch_to_safetensors(const std::string& pytorch_file,
                            const std::filesystem::path& safetensors) {
  run_script("to-safetensors", pytorch_file, safetensors.string());
}

void safetensors_to_pytorch(const std::filesystem::path& safetensors,
                            const std::string& pytorch_file) {
  run_script("from-safetensors", safetensors.string(), pytorch_file);
}

}  // namespace vae_dist::launcher
