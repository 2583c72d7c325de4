#include "train/run/run_setup.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "config/check_config.hpp"
#include "config/load_config.hpp"

namespace vae_dist {
namespace {

std::optional<Checkpoint> find_checkpoint(const Config& config) {
  const RunDirectory directory(config.run);
  const std::string& resume = config.checkpoint.resume;
  if (resume == "auto") return read_newest_checkpoint(directory.checkpoints());
  if (resume != "never") return read_checkpoint(resume);
  if (!find_checkpoints(directory.checkpoints()).empty())
    throw BadInput(text(directory.path(), " holds the checkpoints of an earlier run and checkpoint.resume is never: choose another run.name, remove that directory, or set checkpoint.resume=auto to go on."));
  return std::nullopt;
}

// Throws BadInput where the product is more than a computer counts.
std::int64_t whole_batch(std::int64_t each, std::int64_t replicas) {
  std::int64_t all = 0;
  if (__builtin_mul_overflow(each, replicas, &all)) throw BadInput(text("train.batch_per_replica ", each, " times distributed.replicas ", replicas, " is more samples a step than can be counted: use smaller ones."));
  return all;
}

void resolve_replicas_and_batch(Config& config, const std::optional<Checkpoint>& checkpoint, int world_size) {
  auto& replicas = config.distributed.replicas;
  // A checkpoint of imported weights may leave R open (0).
  if (!replicas) replicas = checkpoint && checkpoint->state.replicas > 0 ? checkpoint->state.replicas : world_size;
  if (config.train.batch_per_replica) {
    config.train.global_batch = whole_batch(*config.train.batch_per_replica, *replicas);
    config.train.batch_per_replica.reset();
  }
}

// R may be known only after the first check of the configuration.
void check_resolved(const Config& config, const std::string& config_file) {
  if (const auto contradiction = find_contradiction(config)) throw BadInput(text(config_file, ": ", contradiction->message));
}

// Rank 0's part: everything that touches files.
RunSetup read_setup(const std::string& config_file, const std::vector<std::string>& overrides, const LockRun& lock, int world_size) {
  RunSetup setup;
  setup.config = load_config(config_file, overrides);
  // Another run that still trains might write a checkpoint after this one has looked.
  if (lock) setup.lock = lock(RunDirectory(setup.config.run));
  setup.checkpoint = find_checkpoint(setup.config);
  setup.resumed = setup.checkpoint.has_value();
  resolve_replicas_and_batch(setup.config, setup.checkpoint, world_size);
  check_resolved(setup.config, config_file);
  if (!setup.resumed) {
    setup.state.seed = setup.config.run.seed;
    setup.state.replicas = *setup.config.distributed.replicas;
    return setup;
  }

  setup.state = setup.checkpoint->state;
  setup.state.replicas = *setup.config.distributed.replicas;
  // Nothing has been trained yet (imported weights): whether they fit is all that counts.
  if (setup.state.step == 0) return setup;
  const Config saved = parse_config(setup.checkpoint->config_yaml, "config.yaml of the checkpoint");
  // The order of samples is the run's from its first start; runs of before it could be chosen had the one over all samples.
  if (!setup.config.data.shuffle_window_chunks) setup.config.data.shuffle_window_chunks = saved.data.shuffle_window_chunks.value_or(0);
  const std::vector<std::string> differences = forbidden_differences(saved, setup.config);
  if (differences.empty()) return setup;
  std::string list;
  for (const std::string& difference : differences) list += "\n  " + difference;
  throw BadInput(text(config_file, ": the run ", RunDirectory(setup.config.run).path(), " cannot go on with another configuration. What differs:", list,
                      "\nSet these back, or start a new run with another run.name."));
}

Config on_all_ranks(const Config& config, Communicator& host) {
  const bool first = host.rank() == 0;
  const std::string yaml = broadcast_text(host, first ? config_yaml(config) : "");
  return first ? config : parse_config(yaml, "configuration of rank 0");
}

}  // namespace

Config set_up_config(const std::string& config_file, const std::vector<std::string>& overrides, Communicator& host) {
  Config config;
  agree_on_rank_0(host, [&] {
    config = load_config(config_file, overrides);
    resolve_replicas_and_batch(config, std::nullopt, host.size());
    check_resolved(config, config_file);
  });
  return on_all_ranks(config, host);
}

RunSetup set_up_run(const std::string& config_file, const std::vector<std::string>& overrides, const LockRun& lock, Communicator& host) {
  RunSetup setup;
  agree_on_rank_0(host, [&] { setup = read_setup(config_file, overrides, lock, host.size()); });
  setup.config = on_all_ranks(setup.config, host);
  const bool first = host.rank() == 0;
  const std::string state = broadcast_text(host, first ? to_json(setup.state) : "");
  const std::string resumed = broadcast_text(host, setup.resumed ? "resumed" : "new");
  if (!first) {
    setup.state = training_state_from_json(state, "state of rank 0");
    setup.resumed = resumed == "resumed";
  }
  return setup;
}

}  // namespace vae_dist
