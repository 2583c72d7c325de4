// The version that checkpoints and the start table name.
#pragma once

namespace vae_dist::run {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace vae_dist::run
