// Chooses the device that a rank computes on and the backend that exchanges its gradients.
#pragma once

#include <string>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"
#include "run/assign_gpus.hpp"

namespace vae_dist::run {

/// The hardware of a node and the position of this rank on it.
struct NodeFacts {
  std::string host;
  int gpus = 0;          ///< usable by this program, as this rank sees them
  bool has_gpu = false;  ///< machine_has_gpu()
  int cores = 1;         ///< of the node
  /// The cores that this process may run on: mpirun and Slurm bind each rank to its share.
  int usable_cores = 1;
  int local_rank = 0, local_size = 1, world_size = 1;
  int rank = 0;
  int nccl_version = 0;  ///< of the loaded library, in the format of nccl_version_code()
  /// VAE_DIST_DEVICE is cpu. Then gpus and has_gpu are as on a node without a GPU.
  bool declines_gpus = false;
  /// Of all ranks of the node. Empty if nobody has asked them: then all see the same as this one.
  SeenGpus seen;
};

/// Returns whether this machine has a GPU, even if this program cannot use it.
bool machine_has_gpu();

/// Not a collective; leaves out `seen`.
NodeFacts node_facts(const comm::MpiWorld& world);

/// Chooses a device according to `distributed.device`, `backend`, `share_gpu` and
/// `threads_per_rank`. Pure. Throws BadInput if a GPU exists but cannot be used (driver too old or
/// not loaded), cuda is requested without a GPU, the node has more ranks than GPUs (the message
/// gives both numbers), two ranks see the same GPU alone, the backend does not fit the device, or
/// cuda is requested while VAE_DIST_DEVICE is cpu.
device::DeviceChoice choose_device(const config::DistributedConfig& config, const NodeFacts& node);

/// Returns the environment settings that let NCCL run with `distributed.share_gpu`: by default NCCL
/// refuses several ranks on one GPU of one host. Before NCCL 2.30, each rank on a node on which
/// ranks share GPUs claims to be a separate host. On a single node these ranks then communicate
/// through the loopback interface only, whatever networks the machine has. Since 2.30, NCCL allows
/// sharing if all ranks request it. Empty if no GPU is shared. Pure.
device::EnvironmentSettings settings_for_shared_gpu(const NodeFacts& node);

/// Returns what `train.precision: auto` stands for on this device: bf16 where it has instructions
/// for it (GPUs from compute capability 8.0 on, CPUs with AVX512_BF16 or AMX), else fp32.
/// `cpu_multiplies_bfloat16`: kernels::multiplies_bfloat16().
config::Precision fastest_precision(const device::DeviceChoice& choice,
                                    bool cpu_multiplies_bfloat16);

/// Returns whether `precision` is bf16 and the layers of a model on this device round to it and
/// multiply in fp32, because this CPU has no instructions for it (kernels/rounded_products.hpp).
bool rounds_bfloat16(c10::Device device, config::Precision precision);

/// Applies the choice to this process: environment, current device, threads, and TF32 according to
/// `precision`. On a GPU, the calling thread gets its own stream for all of its work. A step cannot
/// be captured on the default stream, nor on a stream other than the one on which gradients are
/// accumulated, and autograd accumulates them on the stream on which the model was created.
/// `reproducible` makes cuDNN deterministic without autotuning, fixes the cuBLAS workspace and
/// disables the fused attention kernels. Call this before the first use of a GPU and of NCCL.
void apply_device(const device::DeviceChoice& choice, config::Precision precision,
                  bool reproducible);

/// Returns a description for the start table: "GPU 0: NVIDIA H100 80GB HBM3, gradients by NCCL" or
/// "CPU, 1 thread per rank, gradients by MPI".
std::string describe_device(const device::DeviceChoice& choice);

}  // namespace vae_dist::run
