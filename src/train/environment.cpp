#include "train/environment.hpp"

#include <torch/headeronly/version.h>

#include "base/durable_file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "comm/nccl_communicator.hpp"
#include "train/version.hpp"

namespace vae_dist {

std::string environment_text() {
  const std::string nccl = nccl_version();
  return text("vae_dist ", kVersion, " (program ", hash_name(hash_text(read_file("/proc/self/exe"))), "), torch ", TORCH_VERSION, nccl.empty() ? "" : ", NCCL " + nccl);
}

}  // namespace vae_dist
