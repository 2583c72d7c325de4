#include "run/launcher_facts.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace vae_dist::run {
namespace {

struct Process {
  std::string name;
  pid_t parent = 0;
};

Process process(pid_t pid) {
  std::string stat;
  try {
    stat = base::read_file(base::text("/proc/", pid, "/stat"));
  } catch (const base::BadInput&) {
    return {};
  }
  // The format is "pid (name) state parent ..."; the name may contain any character.
  const std::size_t begin = stat.find('('), end = stat.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::istringstream rest(stat.substr(end + 1));
  Process out{stat.substr(begin + 1, end - begin - 1), 0};
  std::string state;
  rest >> state >> out.parent;
  return out;
}

// A script may run between mpirun and the program.
pid_t mpirun_above() {
  constexpr std::array<const char*, 6> kNames = {"mpirun", "mpiexec", "orterun",
                                                 "orted",  "prterun", "prted"};
  for (pid_t pid = ::getppid(); pid > 1;) {
    const Process ancestor = process(pid);
    if (std::find(kNames.begin(), kNames.end(), ancestor.name) != kNames.end()) return pid;
    pid = ancestor.parent;
  }
  return 0;
}

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

base::Seconds sigkill_timeout() {
  for (const char* name :
       {"OMPI_MCA_odls_base_sigkill_timeout", "PRTE_MCA_odls_base_sigkill_timeout"})
    if (const char* const value = std::getenv(name))
      return base::Seconds(std::max(0, std::atoi(value)));
  return base::Seconds(1);
}

}  // namespace

LauncherFacts own_launcher() {
  LauncherFacts out;
  if (is_set("OMPI_COMM_WORLD_SIZE")) out.mpirun = mpirun_above();
  out.until_killed = 2 * sigkill_timeout();
  using Kind = LauncherFacts::Kind;
  out.kind = is_set("VAE_DIST_JOB_ID") ? Kind::vae_launch
             : is_set("SLURM_JOB_ID")  ? Kind::slurm
             : out.mpirun > 0          ? Kind::mpirun
                                       : Kind::none;
  return out;
}

std::string ctrl_c_text(const LauncherFacts& launcher) {
  switch (launcher.kind) {
    case LauncherFacts::Kind::none:
      return "stops after the current step with a checkpoint; a second Ctrl-C ends the run at once";
    case LauncherFacts::Kind::vae_launch:
      return "stops after the current step with a checkpoint; the third Ctrl-C ends the run at "
             "once";
    case LauncherFacts::Kind::mpirun:
      return base::text("mpirun kills the ranks ", base::digits(launcher.until_killed.count()),
                        " s later; a checkpoint is written only if the step and the checkpoint "
                        "finish before that (launcher/vae_launch waits for both)");
    case LauncherFacts::Kind::slurm:
      return "";
  }
  return "";
}

}  // namespace vae_dist::run
