// What a rank runs: program and libraries, as a text that all ranks must agree on.
#pragma once

#include <string>

namespace vae_dist {

/// "vae_dist 0.1.0 (program 0123456789abcdef), torch 2.11.0, NCCL 2.28.9": the program by the hash of its file, NCCL as loaded.
std::string environment_text();

}  // namespace vae_dist
