#include "base/error.hpp"

#include <cstring>

namespace vae_dist::base {

ExitCode exit_code(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours ? ours->code() : ExitCode::rank_failed;
}

std::string describe(const std::exception& error, int rank) {
  std::string out = "vae_dist: ";
  if (rank >= 0) out += text("rank ", rank, ": ");
  out += error.what();
  const auto* ours = dynamic_cast<const Error*>(&error);
  if (ours && ours->code() != ExitCode::bad_input) {
    const char* slash = std::strrchr(ours->where().file_name(), '/');
    out +=
        text(" [", slash ? slash + 1 : ours->where().file_name(), ":", ours->where().line(), "]");
  }
  return out;
}

}  // namespace vae_dist::base
