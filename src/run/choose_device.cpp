#include "run/choose_device.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>
#include <thread>

#include "base/error.hpp"
#include "base/machine_topology.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/nccl_log.hpp"
#include "device/gpu_facts.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::run {
namespace {

// Only tests benefit from more threads than cores.
constexpr int kThreadsAnywhere = 16, kThreadsACore = 4;

int usable_cores() { return std::max(1, static_cast<int>(base::allowed_cores().size())); }

int choose_threads(const config::DistributedConfig& config, const NodeFacts& node) {
  if (config.threads_per_rank) {
    const std::int64_t most = std::max(kThreadsAnywhere, kThreadsACore * node.cores);
    if (*config.threads_per_rank > most)
      throw base::BadInput(base::text(
          "distributed.threads_per_rank is ", *config.threads_per_rank, ", but ", node.host,
          " has ", node.cores, node.cores == 1 ? " core" : " cores",
          ". That many threads would only wait for each other. Use at most ", most, ", or auto."));
    return static_cast<int>(*config.threads_per_rank);
  }
  // A different number of threads would split sums differently.
  if (config.reproducible) return 1;
  return std::min(std::max(1, node.cores / node.local_size), node.usable_cores);
}

GpuAssignment assignment(const NodeFacts& node) {
  if (!node.seen.empty()) return assign_gpus(node.seen);
  std::vector<device::GpuIdentity> all;
  for (int gpu = 0; gpu < node.gpus; ++gpu)
    all.push_back({std::to_string(gpu), std::to_string(gpu)});
  return assign_gpus(SeenGpus(static_cast<std::size_t>(node.local_size), all));
}

// Whether all ranks of the node see the same GPUs.
bool see_the_same(const SeenGpus& seen) {
  return std::adjacent_find(seen.begin(), seen.end(), std::not_equal_to<>()) == seen.end();
}

std::string sharing_text(const NodeFacts& node, const GpuAssignment::Shared& shared) {
  constexpr char kForTests[] =
      "set distributed.share_gpu=true (for tests only: ranks that share a GPU slow each other "
      "down).";
  if (see_the_same(node.seen) && node.local_size > node.gpus)
    return base::text("node ", node.host, " has ", node.gpus, node.gpus == 1 ? " GPU" : " GPUs",
                      " for ", node.local_size, " ranks. Start at most ", node.gpus,
                      " per node, or ", kForTests);
  return base::text("on node ", node.host, ", local ranks ", shared.first, " and ", shared.second,
                    " have the same GPU (PCI address ", shared.pci_bus_id,
                    "), or parts of it, and see no other that is free. Show each rank a GPU of its "
                    "own, or all GPUs of the node to every rank (Slurm: --gpus-per-node equal to "
                    "--ntasks-per-node, without --gpu-bind), or ",
                    kForTests);
}

int choose_gpu(const config::DistributedConfig& config, const NodeFacts& node) {
  if (node.declines_gpus)
    throw base::BadInput(
        "distributed.device is cuda, but the environment has VAE_DIST_DEVICE=cpu. Unset it, or set "
        "distributed.device=cpu or auto.");
  if (node.gpus == 0 && node.has_gpu)
    throw base::BadInput(base::text(
        "there is a GPU on ", node.host,
        ", but this program cannot use it. Either the driver is not loaded or is too old for this "
        "build of torch, or CUDA_VISIBLE_DEVICES hides the GPU, or vae_dist_cuda is missing next "
        "to vae_dist. Run nvidia-smi there; launcher/setup.sh says which wheel fits the driver. To "
        "train on the CPU anyway, set distributed.device=cpu."));
  if (node.gpus == 0)
    throw base::BadInput(base::text("distributed.device is cuda, but there is no GPU on ",
                                    node.host, ". Set distributed.device=cpu or auto."));
  const GpuAssignment assigned = assignment(node);
  if (assigned.shared && !config.share_gpu)
    throw base::BadInput(sharing_text(node, *assigned.shared));
  if (config.backend == config::Backend::mpi)
    throw base::BadInput(
        "distributed.backend is mpi, which exchanges gradients in host memory, but this run uses "
        "GPUs. Set distributed.backend=auto, or distributed.device=cpu.");
  return assigned.gpus[static_cast<std::size_t>(node.local_rank)];
}

std::string exchange_text(device::Backend backend) {
  switch (backend) {
    case device::Backend::self:
      return "one rank, no exchange";
    case device::Backend::mpi:
      return "gradients by MPI";
    case device::Backend::nccl:
      return "gradients by NCCL";
  }
  throw std::logic_error("unknown backend");
}

}  // namespace

bool machine_has_gpu() {
  // The driver's files exist even if this program cannot use the driver.
  std::error_code ignored;
  for (const char* file : {"/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version"})
    if (std::filesystem::exists(file, ignored)) return true;
  return device::gpu_count() > 0;
}

NodeFacts node_facts(const comm::MpiWorld& world) {
  NodeFacts facts;
  facts.host = world.host();
  const char* const device = std::getenv("VAE_DIST_DEVICE");
  facts.declines_gpus = device && std::string_view(device) == "cpu";
  if (!facts.declines_gpus) {
    facts.gpus = device::gpu_count();
    facts.has_gpu = machine_has_gpu();
  }
  facts.cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  facts.usable_cores = usable_cores();
  facts.local_rank = world.local_rank();
  facts.local_size = world.local_size();
  facts.world_size = world.size();
  facts.rank = world.rank();
  facts.nccl_version = comm::nccl_version_code();
  return facts;
}

device::DeviceChoice choose_device(const config::DistributedConfig& config, const NodeFacts& node) {
  device::DeviceChoice choice;
  choice.threads = choose_threads(config, node);
  const bool on_gpu =
      config.device == config::Device::cuda ||
      (config.device == config::Device::automatic && (node.gpus > 0 || node.has_gpu));
  if (on_gpu) {
    choice.device =
        c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(choose_gpu(config, node)));
  } else if (config.backend == config::Backend::nccl) {
    throw base::BadInput(
        "distributed.backend is nccl, which exchanges gradients between GPUs, but this run uses "
        "the CPU. Set distributed.backend=auto.");
  }
  choice.backend = node.world_size == 1 ? device::Backend::self
                   : on_gpu             ? device::Backend::nccl
                                        : device::Backend::mpi;
  if (choice.backend == device::Backend::nccl) {
    if (config.share_gpu) choice.nccl_settings = settings_for_shared_gpu(node);
    // By default NCCL registers the buffers of captured calls itself, and ranks may have to meet
    // for that. They would then wait for a rank that gave up before. Our buffers are registered at
    // the start.
    choice.nccl_settings.emplace_back("NCCL_GRAPH_REGISTER", "0");
  }
  return choice;
}

device::EnvironmentSettings settings_for_shared_gpu(const NodeFacts& node) {
  constexpr int kAllowsIt = 23000;
  if (node.nccl_version >= kAllowsIt) return {{"NCCL_MULTI_RANK_GPU_ENABLE", "1"}};
  if (!assignment(node).shared) return {};
  device::EnvironmentSettings settings = {
      {"NCCL_HOSTID", base::text(node.host, "-rank-", node.rank)}};
  if (node.local_size == node.world_size) {
    settings.emplace_back("NCCL_SOCKET_IFNAME", "lo");
    settings.emplace_back("NCCL_IB_DISABLE", "1");
  }
  return settings;
}

config::Precision fastest_precision(const device::DeviceChoice& choice,
                                    bool cpu_multiplies_bfloat16) {
  const bool native = choice.device.is_cuda() ? device::gpu_facts(choice.device).multiplies_bfloat16
                                              : cpu_multiplies_bfloat16;
  return native ? config::Precision::bf16 : config::Precision::fp32;
}

bool rounds_bfloat16(c10::Device device, config::Precision precision) {
  return precision == config::Precision::bf16 && device.is_cpu() && !kernels::multiplies_bfloat16();
}

void apply_device(const device::DeviceChoice& choice, config::Precision precision,
                  bool reproducible) {
  for (const auto& [name, value] : choice.nccl_settings)
    ::setenv(name.c_str(), value.c_str(), /*overwrite=*/0);
  if (choice.backend == device::Backend::nccl) comm::keep_nccl_log();
  const bool on_gpu = choice.device.is_cuda();
  at::globalContext().setDeterministicCuDNN(reproducible);
  // Shapes are the same in every step, so autotuning cuDNN pays off. Ranks may choose different
  // algorithms.
  at::globalContext().setBenchmarkCuDNN(on_gpu && !reproducible);
  if (reproducible) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  if (reproducible && on_gpu) {
    // The fused attention kernels sum gradients in an unspecified order.
    at::globalContext().setSDPUseFlash(false);
    at::globalContext().setSDPUseMemEfficient(false);
    at::globalContext().setSDPUseCuDNN(false);
  }
  at::set_num_threads(choice.threads);
  at::globalContext().setAllowTF32CuBLAS(precision == config::Precision::tf32);
  at::globalContext().setAllowTF32CuDNN(precision == config::Precision::tf32);
  if (!on_gpu) return;
  const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
  cuda.setDevice(choice.device);
  cuda.exchangeStream(cuda.getStreamFromGlobalPool(choice.device));
}

std::string describe_device(const device::DeviceChoice& choice) {
  const std::string exchange = exchange_text(choice.backend);
  if (choice.device.is_cuda())
    return base::text("GPU ", static_cast<int>(choice.device.index()), ": ",
                      device::gpu_facts(choice.device).model, ", ", exchange);
  return base::text("CPU, ", choice.threads, choice.threads == 1 ? " thread" : " threads",
                    " per rank, ", exchange);
}

}  // namespace vae_dist::run
