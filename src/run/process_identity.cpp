#include "run/process_identity.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/host_name.hpp"
#include "base/text.hpp"

namespace vae_dist::run {
namespace {

// Returns the start time of a process; 0 if there is no such process or it is a zombie.
std::int64_t start_of_process(std::int64_t pid) {
  std::string stat;
  try {
    stat = base::read_file(base::text("/proc/", pid, "/stat"));
  } catch (const base::BadInput&) {
    return 0;
  }
  // The 2nd field is the program's name in parentheses, which may contain any character. Field 22
  // is the start time.
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return 0;
  for (int number = 4; number <= 22; ++number) fields >> field;
  return std::strtoll(field.c_str(), nullptr, 10);
}

std::string process_namespace() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
}

}  // namespace

ProcessIdentity own_process() {
  return {base::host_name(), process_namespace(), ::getpid(), start_of_process(::getpid())};
}

bool sees(const ProcessIdentity& here, const ProcessIdentity& there) {
  return here.host == there.host && here.processes == there.processes;
}

bool has_ended(const ProcessIdentity& process) {
  return process.pid > 0 && process.host == base::host_name() &&
         process.processes == process_namespace() && start_of_process(process.pid) != process.start;
}

std::string text_of(const ProcessIdentity& process) {
  return base::text(process.pid, " ", process.start, " ", process.processes, " ", process.host);
}

ProcessIdentity process_in(const std::string& text) {
  ProcessIdentity out;
  std::istringstream words(text);
  if (!(words >> out.pid >> out.start >> out.processes >> out.host)) return {};
  return out;
}

}  // namespace vae_dist::run
