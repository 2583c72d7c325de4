// Which device a rank computes on, and through what its gradients travel.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"

namespace vae_dist {

struct DeviceChoice {
  c10::Device device = c10::kCPU;
  std::string backend;  ///< "nccl" | "mpi" | "self" (a world of one)
  int threads = 1;      ///< of tensor work on the CPU
};

/// What a node has, and this rank's place on it.
struct NodeFacts {
  std::string host;
  int gpus = 0;               ///< that this program can use
  bool has_gpu = false;       ///< a driver's files are there, whether it can be used or not
  int cores = 1;              ///< of the node
  int usable_cores = 1;       ///< that this process may run on: mpirun and Slurm bind ranks to their share
  int local_rank = 0, local_size = 1, world_size = 1;
};

NodeFacts node_facts(const MpiWorld& world);

/// Follows `distributed.device`, `backend`, `share_gpu`, `threads_per_rank`. Pure. Throws BadInput: a GPU that is there but cannot be used
/// (driver too old or not loaded), cuda asked for without a GPU, more ranks than GPUs on the node (with both numbers), a backend that
/// does not fit the device.
DeviceChoice choose_device(const DistributedConfig& config, const NodeFacts& node);

/// Makes the choice this process's: current device, threads, TF32 off. `reproducible`: cuDNN deterministic and without autotuning, and a
/// fixed workspace for cuBLAS; to be called before the first use of a GPU.
void apply_device(const DeviceChoice& choice, bool reproducible);

/// For the start table: "GPU 0: NVIDIA H100 80GB HBM3, NCCL" or "CPU, 1 thread a rank, MPI".
std::string describe_device(const DeviceChoice& choice);

}  // namespace vae_dist
