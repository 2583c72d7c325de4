// Which device a rank computes on, and through what its gradients travel.
#pragma once

#include <string>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::run {

/// What a node has, and this rank's place on it.
struct NodeFacts {
  std::string host;
  int gpus = 0;          ///< that this program can use
  bool has_gpu = false;  ///< machine_has_gpu()
  int cores = 1;         ///< of the node
  int usable_cores =
      1;  ///< that this process may run on: mpirun and Slurm bind ranks to their share
  int local_rank = 0, local_size = 1, world_size = 1;
  int rank = 0;
  int nccl_version = 0;  ///< as loaded, like nccl_version_code()
  bool declines_gpus =
      false;  ///< VAE_DIST_DEVICE=cpu: then gpus and has_gpu are as on a node without
};

/// Whether there is a GPU here, be it that this program cannot use it.
bool machine_has_gpu();

NodeFacts node_facts(const comm::MpiWorld& world);

/// Follows `distributed.device`, `backend`, `share_gpu`, `threads_per_rank`. Pure. Throws BadInput:
/// a GPU that is there but cannot be used (driver too old or not loaded), cuda asked for without a
/// GPU, more ranks than GPUs on the node (with both numbers), a backend that does not fit the
/// device, cuda where VAE_DIST_DEVICE says cpu.
device::DeviceChoice choose_device(const config::DistributedConfig& config, const NodeFacts& node);

/// What NCCL needs for `distributed.share_gpu`, as it refuses several ranks on one GPU of one host.
/// Until 2.30 each rank on a node with more ranks than GPUs calls itself a host of its own (and on
/// a single node they talk through the loopback interface alone, whatever networks the machine
/// has); from 2.30 on NCCL allows it where all ranks ask for it. Empty where no GPU is shared.
/// Pure.
device::EnvironmentSettings settings_for_shared_gpu(const NodeFacts& node);

/// Makes the choice this process's: environment, current device, threads, TF32 by `precision`. On a
/// GPU the calling thread gets a stream of its own, for all that it does there: a step cannot be
/// captured on the default stream, nor on another than that which gradients are added on, and
/// autograd does this on the stream of the model's making. `reproducible`: cuDNN deterministic and
/// without autotuning, a fixed workspace for cuBLAS, and attention without its fused kernels; to be
/// called before the first use of a GPU and of NCCL.
void apply_device(const device::DeviceChoice& choice, config::Precision precision,
                  bool reproducible);

/// For the start table: "GPU 0: NVIDIA H100 80GB HBM3, gradients by NCCL" or "CPU, 1 thread a rank,
/// gradients by MPI".
std::string describe_device(const device::DeviceChoice& choice);

}  // namespace vae_dist::run
