// The version that checkpoints and the start table name, and what was built of it.
#pragma once

#include <string>

namespace vae_dist::run {

inline constexpr const char* kVersion = "0.1.0";

struct ProgramBuild {
  std::string id;  ///< a hash of the code that was compiled: what all ranks have to run
  std::string
      revision;  ///< of the sources, "0123456789ab-changed"; empty: they were no git checkout
};

}  // namespace vae_dist::run
