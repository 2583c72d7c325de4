#include "launcher/model_options.hpp"

#include "comm/agreement.hpp"
#include "config/words.hpp"
#include "inference/checkpoint_place.hpp"
#include "run/choose_device.hpp"

namespace vae_dist::launcher {
namespace {

std::string place_of(const ModelChoice& choice) {
  return choice.best ? inference::best_of(choice.place) : choice.place;
}

}  // namespace

void add_checkpoint_option(CLI::App& verb, VerbContext& context, ModelChoice& choice) {
  verb.add_option("--checkpoint", choice.place,
                  "A checkpoint's directory, or a run's: its newest; RUN@best and RUN@1000 are "
                  "others of it")
      ->required();
  verb.add_flag(
      "--best", choice.best,
      "Of a run the checkpoint with the best validation loss, instead of the newest: as RUN@best");
  context.files.add_inputs(verb, [&choice] {
    return std::vector<std::string>{inference::named_checkpoint(place_of(choice)).string()};
  });
}

inference::TrainedModel load_chosen_model(const ModelChoice& choice) {
  return inference::load_trained_model(place_of(choice));
}

inference::TrainedModel load_chosen_model(const ModelChoice& choice, comm::HostCommunicator& host) {
  std::string place;
  comm::agree(host, [&] { place = place_of(choice); });
  return inference::load_shared_model(place, host);
}

void add_data_options(CLI::App& verb, VerbContext& context, inference::DataChoice& data) {
  verb.add_option("--data", data.file, "HDF5 file with images (default: the run's own data)");
  verb.add_option("--split", data.split,
                  "Of the run's own data (default: validation where there is any)")
      ->check(CLI::IsMember({"train", "validation"}));
  context.files.add_inputs(verb, path_of(data.file));
}

void add_device_option(CLI::App& verb, ComputeOptions& compute) {
  verb.add_option("--device", compute.device, "auto is a GPU where there is one")
      ->check(CLI::IsMember({"auto", "cuda", "cpu"}))
      ->capture_default_str();
  compute.threads = 0;
}

void add_compute_options(CLI::App& verb, ComputeOptions& compute) {
  add_device_option(verb, compute);
  compute.threads = 1;
  verb.add_option("--threads", compute.threads,
                  "CPU threads a rank; more of them may change the last digits, more ranks (mpirun "
                  "-np N) never do")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

c10::Device use_device(const ComputeOptions& compute, const comm::MpiWorld& world) {
  config::DistributedConfig wanted;
  wanted.device = config::from_word<config::Device>(compute.device);
  if (compute.threads > 0) wanted.threads_per_rank = compute.threads;
  wanted.share_gpu = true;
  try {
    const device::DeviceChoice choice = run::choose_device(wanted, run::node_facts(world));
    run::apply_device(choice, config::Precision::fp32, /*reproducible=*/true);
    return choice.device;
  } catch (const base::BadInput& error) {
    throw base::BadInput(base::text("--device ", compute.device, ": ", error.what()));
  }
}

}  // namespace vae_dist::launcher
