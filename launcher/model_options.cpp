#include "launcher/model_options.hpp"

#include "train/device/device.hpp"

namespace vae_dist {

void add_checkpoint_option(CLI::App& verb, std::string& checkpoint) {
  verb.add_option("--checkpoint", checkpoint, "A checkpoint's directory, or a run's (its newest)")->required();
}

void add_data_options(CLI::App& verb, DataChoice& data) {
  verb.add_option("--data", data.file, "HDF5 file with images (default: the run's own data)");
  verb.add_option("--split", data.split, "Of the run's own data (default: validation where there is any)")->check(CLI::IsMember({"train", "validation"}));
}

void add_compute_options(CLI::App& verb, ComputeOptions& compute) {
  verb.add_option("--device", compute.device, "auto is a GPU where there is one")->check(CLI::IsMember({"auto", "cuda", "cpu"}))->capture_default_str();
  verb.add_option("--threads", compute.threads, "CPU threads a rank; more of them may change the last digits, more ranks (mpirun -np N) never do")->check(CLI::PositiveNumber)
      ->capture_default_str();
}

c10::Device use_device(const ComputeOptions& compute, const MpiWorld& world) {
  DistributedConfig wanted;
  wanted.device = compute.device;
  wanted.threads_per_rank = compute.threads;
  wanted.share_gpu = true;
  const DeviceChoice choice = choose_device(wanted, node_facts(world));
  apply_device(choice, "fp32", /*reproducible=*/true);
  return choice.device;
}

}  // namespace vae_dist
