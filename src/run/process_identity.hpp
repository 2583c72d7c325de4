// Identifies a process on its host for as long as it exists. Process numbers are reused, but number
// and start time together belong to one process.
#pragma once

#include <cstdint>
#include <string>

namespace vae_dist::run {

struct ProcessIdentity {
  std::string host;
  std::string processes;  ///< the PID namespace: that of a container or of the host
  std::int64_t pid = 0;
  std::int64_t start = 0;  ///< in ticks since the host was booted
};

ProcessIdentity own_process();

/// Returns whether the process has ended, as far as this process can see it: false for one on
/// another host or in another PID namespace. A zombie has ended.
bool has_ended(const ProcessIdentity& process);

/// Returns whether both lie on the same host and in the same PID namespace.
bool sees(const ProcessIdentity& here, const ProcessIdentity& there);

/// One line of text, and back. Returns an empty identity, which never ends, for any other text.
std::string text_of(const ProcessIdentity& process);
ProcessIdentity process_in(const std::string& text);

}  // namespace vae_dist::run
