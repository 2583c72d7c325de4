#include "run/run_setup.hpp"

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "config/check_config.hpp"
#include "config/expand_paths.hpp"
#include "config/load_config.hpp"
#include "inference/foreign_weights.hpp"
#include "inference/network_files.hpp"
#include "inference/trained_model.hpp"
#include "run/run_beginning.hpp"

namespace vae_dist::run {
namespace {

// Returns the product. Throws BadInput if it overflows.
std::int64_t whole_batch(std::int64_t each, std::int64_t replicas) {
  std::int64_t all = 0;
  if (__builtin_mul_overflow(each, replicas, &all))
    throw base::BadInput(
        base::text("train.batch_per_replica ", each, " times distributed.replicas ", replicas,
                   " gives more samples per step than can be counted. Use smaller values."));
  return all;
}

// `saved` is R of the checkpoint that the run continues from; 0 if there is none, or if it leaves R
// open (imported weights).
void resolve_replicas_and_batch(config::Config& config, std::int64_t saved, int world_size) {
  auto& replicas = config.distributed.replicas;
  if (!replicas) replicas = saved > 0 ? saved : world_size;
  if (config.train.batch_per_replica) {
    config.train.global_batch = whole_batch(*config.train.batch_per_replica, *replicas);
    config.train.batch_per_replica.reset();
  }
}

// Checks again, because R may be known only after the first check of the configuration.
void check_resolved(const config::Config& config, const std::string& config_file) {
  if (const auto contradiction = config::find_contradiction(config))
    throw base::BadInput(base::text(config_file, ": ", contradiction->message));
}

// Does rank 0's part: everything that touches files.
RunSetup read_setup(const RunRequest& request, const LockRun& lock, int world_size) {
  RunSetup setup;
  setup.config = requested_config(request);
  const std::string config_file = request.config_file.empty() ? request.from : request.config_file;
  // Lock first: another run that still trains might write a checkpoint after this one has looked.
  if (lock) setup.lock = lock(RunDirectory(setup.config.run));
  RunBeginning beginning = find_beginning(setup.config, request.from);
  setup.checkpoint = std::move(beginning.checkpoint);
  setup.origin = beginning.origin;
  setup.is_elsewhere = setup.checkpoint && !beginning.is_own;
  setup.resumed = setup.checkpoint && beginning.goes_on;
  resolve_replicas_and_batch(setup.config, setup.resumed ? setup.checkpoint->state.replicas : 0,
                             world_size);
  check_resolved(setup.config, config_file);
  if (!setup.resumed) {
    setup.state.seed = setup.config.run.seed;
    setup.state.replicas = *setup.config.distributed.replicas;
    setup.state.world_size = world_size;
    setup.state.begun_from = beginning.origin;
    return setup;
  }

  setup.state = setup.checkpoint->state;
  setup.state.replicas = *setup.config.distributed.replicas;
  if (setup.is_elsewhere) {
    setup.state.begun_from = beginning.origin;
    // The best checkpoint of the other run is not among the checkpoints of this one.
    if (setup.state.best_step != setup.state.step) {
      setup.state.best_step = -1;
      setup.state.best_validation.reset();
    }
  }
  // Nothing has been trained yet (imported weights). Only two things matter: that the weights fit,
  // and that the network around them is the one that they were imported for. Older imports did not
  // record the network and continue with whatever the configuration says.
  if (setup.state.step == 0) {
    if (setup.checkpoint->weights.metadata.contains("output"))
      inference::require_same_network(
          setup.checkpoint->weights, setup.config,
          base::text("the weights of ", RunDirectory(setup.config.run).path()));
    return setup;
  }
  const config::KeptConfig kept =
      config::parse_kept_config(setup.checkpoint->config_yaml, "config.yaml of the checkpoint");
  const config::Config& saved = kept.config;
  config::keep_older_values(setup.config, kept);
  config::keep_choices(setup.config, saved);
  const std::vector<std::string> differences = config::forbidden_differences(saved, setup.config);
  if (differences.empty()) return setup;
  throw base::BadInput(
      base::text(config_file, ": the run ", RunDirectory(setup.config.run).path(),
                 " cannot continue with a different configuration. These keys differ:\n  ",
                 base::list_of_ten(differences, "\n  "),
                 "\nRestore these values, or start a new run with another run.name. ",
                 fork_advice(setup.origin)));
}

config::Config on_all_ranks(const config::Config& config, comm::CpuCommunicator& all_ranks) {
  const bool first = all_ranks.rank() == 0;
  const std::string yaml =
      comm::broadcast_text(all_ranks, first ? config::config_yaml(config) : "");
  return first ? config : config::parse_config(yaml, "configuration of rank 0");
}

}  // namespace

config::Config requested_config(const RunRequest& request) {
  if (!request.config_file.empty())
    return config::load_config(request.config_file, request.overrides);
  const inference::CheckpointAt found = inference::read_checkpoint_at(request.from);
  // How the other run was to begin does not apply to this one.
  std::vector<std::string> overrides = {"checkpoint.resume=auto"};
  overrides.insert(overrides.end(), request.overrides.begin(), request.overrides.end());
  const std::string name = (found.origin / "config.yaml").string();
  const std::string yaml =
      inference::yaml_of_kept_network_files(found.checkpoint.config_yaml, name, found.origin);
  config::Config config = config::parse_kept_config(yaml, name, overrides).config;
  config::expand_paths(config);
  return config;
}

config::Config set_up_config(const std::string& config_file,
                             const std::vector<std::string>& overrides,
                             comm::CpuCommunicator& all_ranks) {
  config::Config config;
  comm::agree_on_rank_0(all_ranks, [&] {
    config = config::load_config(config_file, overrides);
    resolve_replicas_and_batch(config, 0, all_ranks.size());
    check_resolved(config, config_file);
  });
  return on_all_ranks(config, all_ranks);
}

RunSetup set_up_run(const RunRequest& request, const LockRun& lock,
                    comm::CpuCommunicator& all_ranks) {
  RunSetup setup;
  comm::agree_on_rank_0(all_ranks, [&] { setup = read_setup(request, lock, all_ranks.size()); });
  setup.config = on_all_ranks(setup.config, all_ranks);
  setup.origin = comm::broadcast_text(all_ranks, setup.origin);
  const bool first = all_ranks.rank() == 0;
  const std::string state =
      comm::broadcast_text(all_ranks, first ? checkpoint::to_json(setup.state) : "");
  const std::string resumed = comm::broadcast_text(all_ranks, setup.resumed ? "resumed" : "new");
  if (!first) {
    setup.state = checkpoint::training_state_from_json(state, "state of rank 0");
    setup.resumed = resumed == "resumed";
  }
  return setup;
}

}  // namespace vae_dist::run
