// The program version for checkpoints and the start table, and the identity of a build.
#pragma once

#include <string>

namespace vae_dist::run {

inline constexpr const char* kVersion = "0.1.0";

struct ProgramBuild {
  std::string id;  ///< a hash of the compiled code; all ranks must run the same
  /// The git revision of the sources, "0123456789ab-changed"; empty if they were no git checkout.
  std::string revision;
};

}  // namespace vae_dist::run
