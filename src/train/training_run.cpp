#include "train/training_run.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/durable_file.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/agreement.hpp"
#include "comm/logged_communicator.hpp"
#include "config/load_config.hpp"
#include "evaluate/collapse_forecast.hpp"
#include "train/capture_rule.hpp"
#include "train/early_stop.hpp"
#include "train/environment.hpp"
#include "train/job_end.hpp"
#include "train/open_data.hpp"
#include "train/rank_failure.hpp"
#include "train/run_directory.hpp"
#include "train/run_environment.hpp"
#include "train/run_setup.hpp"
#include "train/run_summary.hpp"
#include "train/start_table.hpp"
#include "train/stop_signal.hpp"
#include "train/training_loop.hpp"
#include "train/version.hpp"

namespace vae_dist {
namespace {

log::Level level_named(const std::string& name) {
  if (name == "debug") return log::Level::debug;
  if (name == "warn") return log::Level::warn;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

void check_same_data(const std::string& fingerprint, const RunSetup& setup) {
  if (setup.resumed && setup.state.dataset_fingerprint != fingerprint)
    throw BadInput(text("data.train is not the dataset that this run was started with (fingerprint ", fingerprint, ", the checkpoint has ", setup.state.dataset_fingerprint,
                        "): give it the same images, or start a new run with another run.name."));
}

std::int64_t planned_steps(const TrainConfig& train, std::int64_t steps_per_epoch) { return train.steps ? *train.steps : train.epochs * steps_per_epoch; }

// A Pushgateway answers in milliseconds; ranks that follow a failing one wait no longer than this.
constexpr Seconds kTimeToPush{2};

// Up to this many images tell how much they vary.
constexpr std::int64_t kImagesLookedAt = 2000;

void print_start(const StartFacts& facts) {
  log::info("vae_dist " + std::string(kVersion) + "\n" + format_table(start_table(facts)));
  if (!is_likelihood_of(facts.config, facts.train))
    log::warn("objective.likelihood is bernoulli and the images are grey: its negative logarithm is a loss, but not a likelihood, so no ELBO, bits per dimension or log p is given (data.binarize makes them 0 and 1)");
  const std::string warning = collapse_warning(facts);
  if (!warning.empty()) log::warn(warning);
}

}  // namespace

ExitCode run_training(const TrainingRequest& request, const MpiWorld& world) {
  CollectiveLog collectives;
  const std::unique_ptr<Communicator> host = make_logged_communicator(world.make_communicator(), "host", collectives);
  if (!request.dry_run) {
    install_stop_signals();
    // The run's lock tells vae_launch that every rank listens.
    host->barrier();
  }
  const JobIdentity job = job_from_environment();
  LockRun lock_run;
  if (!request.dry_run) {
    lock_run = [&](const RunDirectory& directory) {
      return std::make_unique<RunLock>(directory.lock(), directory.create_root(), job, [&world](const std::string& loss) {
        log::error(loss);
        world.abort(ExitCode::rank_failed);
      });
    };
  }
  RunSetup setup = set_up_run(request.config_file, request.overrides, lock_run, *host);
  Config& config = setup.config;
  log::configure(world.rank(), world.size(), level_named(config.log.level));

  JobEnd job_end(config);
  RankFailure failure(world, collectives, request.tell_failure, [&] { job_end.push("failed", kTimeToPush); });
  Watchdog& watchdog = failure.watchdog();
  watchdog.enter("start", 0, Seconds(config.distributed.slow_timeout_s));

  DeviceChoice device;
  ReplicaPlan plan;
  std::string fingerprint;
  agree(*host, [&] {
    device = choose_device(config.distributed, node_facts(world));
    check_cuda_graph(config, device);
    apply_device(device, config.train.precision, config.distributed.reproducible);
  });
  RunData data = open_run_data(config, world, *host);
  agree(*host, [&] {
    plan = make_replica_plan(config.train.global_batch, *config.distributed.replicas, world.size(), world.rank(), data.train.size());
    if (config.distributed.reproducible) check_reproducible(plan, config.distributed.batch_norm);
    check_likelihood_fits(config, data.train);
    fingerprint = data.train.fingerprint();
    check_same_data(fingerprint, setup);
  });
  const std::string arithmetic = arithmetic_text(device);
  require_equal(*host, "program and libraries", environment_text(device));
  require_equal(*host, "configuration", hash_name(hash_text(config_yaml(config))));
  require_equal(*host, "training data", fingerprint);
  if (config.distributed.reproducible) {
    require_equal(*host, "arithmetic (distributed.reproducible)", arithmetic);
    if (setup.resumed && setup.state.arithmetic != arithmetic && host->rank() == 0)
      log::warn(text("the checkpoint was computed with ", setup.state.arithmetic, ", this run goes on with ", arithmetic,
                     ": bits may differ from those of a run that was not stopped (distributed.reproducible)"));
  }
  setup.state.dataset_fingerprint = fingerprint;
  setup.state.program_version = kVersion;
  setup.state.arithmetic = arithmetic;

  const ResolvedObjective objective = resolve_objective(config, data.train.size(), data.train.shape());
  const std::int64_t steps_per_epoch = data.train.size() / plan.global_batch;
  const LearningRatePlan rates = learning_rate_plan(config.train, steps_per_epoch, planned_steps(config.train, steps_per_epoch));

  Learner learner(config, data.train.shape(), plan, device, *host, collectives);
  require_equal(*host, "bucket plan", learner.reducer().describe_plan());
  agree_on_rank_0(*host, [&] {
    if (setup.checkpoint) learner.restore(*setup.checkpoint, RunDirectory(config.run).checkpoints().string());
    if (!request.dry_run) RunDirectory(config.run).create();
  });
  setup.checkpoint.reset();
  learner.replicate(*host);

  if (host->rank() == 0) {
    StartFacts facts{config, data.train, data.validation ? &*data.validation : nullptr, plan, device, objective, rates};
    facts.parameters = learner.parameter_count();
    facts.top_variance = top_variance(data.train, kImagesLookedAt, input_format(config, data.train, device.device));
    facts.first_step = setup.state.step;
    print_start(facts);
  }
  if (request.dry_run) return ExitCode::done;
  if (stops_early(config.train.early_stop, setup.state)) {
    log::info(text("this run has stopped early after ", setup.state.step, " steps (train.early_stop): nothing is left to do."));
    return ExitCode::done;
  }
  if (setup.state.step >= rates.steps_planned) {
    log::info(text("this run has done its ", setup.state.step, " steps: nothing is left to do. More train.epochs or train.steps make it go on."));
    return ExitCode::done;
  }

  if (request.errors_go_to) request.errors_go_to(RunDirectory(config.run).errors().string());
  const std::filesystem::path environment_file = RunDirectory(config.run).environment();
  // A job that failed before its first checkpoint was started again too.
  const bool goes_on = (setup.resumed && setup.state.step > 0) || job.restart > 0;
  const RunEnvironment environment = run_environment(request.revision, device, world.host(), goes_on, environment_file, *host);
  agree_on_rank_0(*host, [&] {
    replace_file(RunDirectory(config.run).config(), config_yaml(config));
    write_environment(environment_file, environment, world.size());
  });

  RunFacts facts{rates.steps_planned, plan.global_batch, world.size(), plan.replicas, environment.restarts};
  facts.other_terms = learner.objective().other_terms();
  facts.build = {{"version", kVersion}, {"revision", environment.revision}, {"torch", environment.torch}, {"nccl", environment.nccl}};
  facts.run = {{"model", config.model.name}, {"likelihood", config.objective.likelihood}, {"device", environment.device}, {"hosts", environment.hosts}};
  const std::int64_t epochs = (rates.steps_planned + steps_per_epoch - 1) / steps_per_epoch;
  Recorder recorder(config, facts, epochs, setup.state.step, world, *host, device.device, job_end);
  if (recorder.port()) log::info(text("metrics: http://", world.host(), ":", *recorder.port(), "/metrics"));
  const std::unique_ptr<Communicator> flags = make_logged_communicator(host->duplicate(), "flags", collectives);
  TrainingLoop loop({config, data.train, data.validation ? &*data.validation : nullptr, plan, objective, rates, device.device, learner, recorder, watchdog, *host, *flags, *data.node}, setup.state);
  job_end.begin(setup.state.step);
  const ExitCode code = [&] {
    try {
      return loop.run();
    } catch (const AgreedError&) {
      if (host->rank() == 0) job_end.push("failed", kTimeToPush);
      throw;
    } catch (const std::exception& error) {
      // Before anything is destroyed: threads, files and communicators below would wait for ranks that wait for this one.
      failure.end_all_ranks(error, text("in step ", loop.steps_done() + 1, "\n"));
    }
  }();

  if (host->rank() == 0) {
    const bool stopped = code == ExitCode::stopped;
    const RunDirectory directory(config.run);
    log::info(run_summary({stopped, loop.steps_done() - setup.state.step, loop.steps_done(), plan.global_batch, job_end.duration(), loop.best_validation(),
                           checkpoint_directory(directory.checkpoints(), loop.steps_done()).string()}, directory));
    job_end.push(stopped ? "stopped" : "done", kTimeToPush);
  }
  return code;
}

}  // namespace vae_dist
