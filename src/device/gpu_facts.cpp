#include "device/gpu_facts.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <regex>
#include <string_view>

#include "base/text.hpp"

namespace vae_dist::device {
namespace {

constexpr std::array<std::string_view, 36> kCommonSettings = {"NCCL_ALGO",
                                                              "NCCL_ALLOC_P2P_NET_LL_BUFFERS",
                                                              "NCCL_BUFFSIZE",
                                                              "NCCL_COLLNET_ENABLE",
                                                              "NCCL_CROSS_NIC",
                                                              "NCCL_CUMEM_ENABLE",
                                                              "NCCL_CUMEM_HOST_ENABLE",
                                                              "NCCL_IB_DISABLE",
                                                              "NCCL_LL128_BUFFSIZE",
                                                              "NCCL_LL_BUFFSIZE",
                                                              "NCCL_LOCAL_REGISTER",
                                                              "NCCL_MAX_CTAS",
                                                              "NCCL_MAX_NCHANNELS",
                                                              "NCCL_MIN_CTAS",
                                                              "NCCL_MIN_NCHANNELS",
                                                              "NCCL_MNNVL_ENABLE",
                                                              "NCCL_MULTI_RANK_GPU_ENABLE",
                                                              "NCCL_NCHANNELS_PER_NET_PEER",
                                                              "NCCL_NET",
                                                              "NCCL_NET_GDR_LEVEL",
                                                              "NCCL_NET_GDR_READ",
                                                              "NCCL_NET_PLUGIN",
                                                              "NCCL_NTHREADS",
                                                              "NCCL_NVLS_ENABLE",
                                                              "NCCL_P2P_DISABLE",
                                                              "NCCL_P2P_LEVEL",
                                                              "NCCL_P2P_NET_CHUNKSIZE",
                                                              "NCCL_P2P_NVL_CHUNKSIZE",
                                                              "NCCL_P2P_PCI_CHUNKSIZE",
                                                              "NCCL_PAT_ENABLE",
                                                              "NCCL_PROTO",
                                                              "NCCL_PXN_DISABLE",
                                                              "NCCL_RUNTIME_CONNECT",
                                                              "NCCL_SHM_DISABLE",
                                                              "NCCL_TUNER_PLUGIN",
                                                              "NCCL_WIN_ENABLE"};
static_assert(std::is_sorted(kCommonSettings.begin(), kCommonSettings.end()));

std::vector<std::string> own_environment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry; ++entry) entries.emplace_back(*entry);
  return entries;
}

}  // namespace

std::string gpu_environment_text(c10::Device device) {
  if (!device.is_cuda()) return "";
  const GpuFacts facts = gpu_facts(device);
  const std::string settings = common_nccl_settings(own_environment());
  return base::text(facts.model, ", driver ", facts.driver, ", cuDNN ", facts.cudnn,
                    settings.empty() ? "" : ", ", settings);
}

std::string common_nccl_settings(const std::vector<std::string>& environment) {
  std::vector<std::string> found;
  for (const std::string& entry : environment)
    if (std::binary_search(kCommonSettings.begin(), kCommonSettings.end(),
                           std::string_view(entry).substr(0, entry.find('='))))
      found.push_back(entry);
  std::sort(found.begin(), found.end());
  std::string out;
  for (const std::string& entry : found) out += (out.empty() ? "" : ", ") + entry;
  return out;
}

std::string driver_version_in(const std::string& told) {
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue ..." or "... Open Kernel
  // Module for x86_64  580.159.04  Release Build ..."
  static const std::regex pattern(R"(Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+))");
  std::smatch match;
  return std::regex_search(told, match, pattern) ? match[1].str() : "";
}

std::string cudnn_version_text(long version) {
  const long major = version >= 10000 ? version / 10000 : version / 1000;
  return base::text(major, ".", version / 100 % (version >= 10000 ? 100 : 10), ".", version % 100);
}

}  // namespace vae_dist::device
