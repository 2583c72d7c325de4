#include "launcher/model_options.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "comm/agreement.hpp"
#include "config/words.hpp"
#include "inference/named_checkpoint.hpp"
#include "run/choose_device.hpp"

namespace vae_dist::launcher {
namespace {

std::string chosen_checkpoint(const ModelChoice& choice) {
  return choice.best ? inference::best_of(choice.location) : choice.location;
}

}  // namespace

void add_checkpoint_option(CLI::App& verb, VerbContext& context, ModelChoice& choice) {
  verb.add_option("--checkpoint", choice.location,
                  "A checkpoint directory, or a run directory (its newest checkpoint); RUN@best "
                  "and RUN@1000 choose other checkpoints of the run")
      ->type_name(completion::kFolder)
      ->required();
  verb.add_flag("--best", choice.best,
                "Use the best checkpoint of a run (its checkpoint.best) instead of the newest, "
                "like RUN@best");
  context.files.add_inputs(verb, [&choice] {
    return std::vector<std::string>{
        inference::named_checkpoint(chosen_checkpoint(choice)).string()};
  });
}

inference::TrainedModel load_chosen_model(const ModelChoice& choice) {
  return inference::load_trained_model(chosen_checkpoint(choice));
}

inference::TrainedModel load_chosen_model(const ModelChoice& choice,
                                          comm::CpuCommunicator& all_ranks) {
  std::string location;
  comm::agree(all_ranks, [&] { location = chosen_checkpoint(choice); });
  return inference::load_shared_model(location, all_ranks);
}

void add_data_options(CLI::App& verb, VerbContext& context, inference::DataChoice& data) {
  verb.add_option("--data", data.file,
                  "HDF5 file with images, read with the run's dataset, layout and scale (default: "
                  "the run's own "
                  "data, see --split)")
      ->type_name(completion::kFile);
  verb.add_option("--split", data.split,
                  "Part of the run's own data (default: validation if there is any)")
      ->check(CLI::IsMember({"train", "validation"}));
  context.files.add_inputs(verb, path_of(data.file));
}

void add_condition_option(CLI::App& verb, std::string& condition, const std::string& otherwise) {
  verb.add_option("--condition", condition,
                  "What a conditional model is told, for example incident_energies=40,labels=3 "
                  "(numbers of one dataset are separated by colons; " +
                      otherwise + ")");
}

at::Tensor written_condition(const std::string& condition, const inference::TrainedModel& trained) {
  if (condition.empty()) return {};
  const conditions::Conditions known = inference::conditions_of(trained);
  if (known.empty())
    throw base::BadInput(base::text("--condition ", condition, ": ", trained.origin.string(),
                                    " is told nothing but the samples (data.train.condition)"));
  const std::vector<float> values = known.written(condition);
  return at::tensor(values, at::kFloat).unsqueeze(0);
}

void add_device_option(CLI::App& verb, ComputeOptions& compute) {
  verb.add_option("--device", compute.device, "auto uses a GPU if there is one")
      ->check(CLI::IsMember({"auto", "cuda", "cpu"}))
      ->capture_default_str();
  compute.threads = 0;
}

void add_compute_options(CLI::App& verb, ComputeOptions& compute) {
  add_device_option(verb, compute);
  compute.threads = 1;
  verb.add_option("--threads", compute.threads,
                  "CPU threads per rank; their number may change the last digits, the number of "
                  "ranks (mpirun -np N) never does")
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
