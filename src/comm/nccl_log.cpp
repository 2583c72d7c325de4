#include "comm/nccl_log.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "base/text.hpp"

namespace vae_dist::comm {
namespace {

std::atomic<int> kept{-1};  // file descriptor of the memory, open until the process ends

// Returns the device names by network and number, from lines such as "NET/IB : Using [0]mlx5_0:1/IB
// [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>" and "NET/Socket : Using [0]eth0:10.0.0.1<0>".
std::map<std::string, std::string> network_names(const std::string& log) {
  static const std::regex list(R"((NET/\w+) : Using(.*))"), entry(R"(\[(\d+)\]([^:\s]+):)");
  std::map<std::string, std::string> names;
  for (std::sregex_iterator line(log.begin(), log.end(), list), end; line != end; ++line) {
    const std::string devices = (*line)[2].str();
    for (std::sregex_iterator device(devices.begin(), devices.end(), entry); device != end;
         ++device)
      names[base::text((*line)[1].str(), "/", (*device)[1].str())] = (*device)[2].str();
  }
  return names;
}

}  // namespace

void keep_nccl_log() {
  for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"})
    if (std::getenv(name)) return;
  if (kept >= 0) return;
  const int memory = ::memfd_create("nccl_log", MFD_CLOEXEC);
  if (memory < 0) return;
  // NCCL opens the memory by name. If that failed, NCCL would write to stdout.
  const std::string name = base::text("/proc/self/fd/", memory);
  const int again = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
  if (again < 0) {
    ::close(memory);
    return;
  }
  ::close(again);
  ::setenv("NCCL_DEBUG", "INFO", 0);
  ::setenv("NCCL_DEBUG_SUBSYS", "INIT", 0);
  ::setenv("NCCL_DEBUG_FILE", name.c_str(), 0);
  kept = memory;
}

std::string nccl_log() {
  std::string out;
  if (kept < 0) return out;
  std::array<char, 4096> part{};
  for (ssize_t n = 0;
       (n = ::pread(kept, part.data(), part.size(), static_cast<off_t>(out.size()))) > 0;)
    out.append(part.data(), static_cast<std::size_t>(n));
  return out;
}

std::string nccl_transport_in(const std::string& log) {
  // Matches "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read", "... via SHM/direct/direct" and "...
  // [send] via NET/IB/0(1)/GDRDMA(PCI)/Shared".
  static const std::regex channel(R"(Channel \d+.* via (P2P|SHM|NET)/([^/\n(]+)(?:/(\d+))?(.*))");
  const std::map<std::string, std::string> names = network_names(log);
  std::set<std::string> kinds;
  for (std::sregex_iterator found(log.begin(), log.end(), channel), end; found != end; ++found) {
    const std::string by = (*found)[1].str(), how = (*found)[2].str(), number = (*found)[3].str(),
                      rest = (*found)[4].str();
    if (by == "SHM") {
      kinds.insert("SHM");
    } else if (by == "NET") {
      const auto name = names.find(base::text("NET/", how, "/", number));
      kinds.insert(base::text("NET/", how, " over ",
                              name == names.end() ? "device " + number : name->second,
                              rest.find("GDRDMA") != std::string::npos ? " (GDRDMA)" : ""));
    } else {
      kinds.insert("P2P/" + how);
    }
  }
  std::string out;
  for (const std::string& kind : kinds) out += (out.empty() ? "" : ", ") + kind;
  return out;
}

std::string nccl_warnings_in(const std::string& log) {
  std::istringstream lines(log);
  std::string out;
  for (std::string line; std::getline(lines, line);)
    if (const std::size_t at = line.find("NCCL WARN"); at != std::string::npos)
      out += line.substr(at) + "\n";
  return out;
}

}  // namespace vae_dist::comm
