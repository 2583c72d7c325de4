#include "base/error.hpp"

#include <cstring>
#include <system_error>

namespace vae_dist::base {

ExitCode exit_code(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours ? ours->code() : ExitCode::rank_failed;
}

bool is_thread_start(const std::exception& error) {
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system && system->code() == std::errc::resource_unavailable_try_again;
}

std::string describe(const std::exception& error, int rank) {
  std::string out = "vae_dist: ";
  if (rank >= 0) out += text("rank ", rank, ": ");
  out += error.what();
  if (is_thread_start(error))
    out +=
        ": a thread cannot be started. There is no memory for its stack (its address space counts, "
        "`ulimit -v`), or the limit on threads is reached (`ulimit -u`, or pids.max of the cgroup)";
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours && ours->code() != ExitCode::bad_input) {
    const char* slash = std::strrchr(ours->where().file_name(), '/');
    out +=
        text(" [", slash ? slash + 1 : ours->where().file_name(), ":", ours->where().line(), "]");
  }
  return out;
}

}  // namespace vae_dist::base
