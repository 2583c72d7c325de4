#include "train/training_run.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/cpu_features.hpp"
#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/hash.hpp"
#include "base/keep_freed_memory.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/agreement.hpp"
#include "comm/logged_communicator.hpp"
#include "config/load_config.hpp"
#include "evaluate/collapse.hpp"
#include "run/core_binding.hpp"
#include "run/job_end.hpp"
#include "run/last_moments.hpp"
#include "run/launcher_facts.hpp"
#include "run/metrics_address.hpp"
#include "run/prepared_run.hpp"
#include "run/rank_failure.hpp"
#include "run/rank_places.hpp"
#include "run/run_beginning.hpp"
#include "run/run_directory.hpp"
#include "run/run_environment.hpp"
#include "run/run_setup.hpp"
#include "run/run_summary.hpp"
#include "run/start_warnings.hpp"
#include "run/stop_signal.hpp"
#include "run/version.hpp"
#include "step/out_of_memory.hpp"
#include "train/early_stop.hpp"
#include "train/start_table.hpp"
#include "train/training_loop.hpp"

namespace vae_dist::train {
namespace {

// A Pushgateway answers in milliseconds; ranks that follow a failing one wait no longer than this.
constexpr base::Seconds kTimeToPush{2};

// Up to this many images tell how much they vary.
constexpr std::int64_t kImagesLookedAt = 2000;

run::LockRun lock_for(const run::JobIdentity& job, const comm::MpiWorld& world) {
  return [&job, &world](const run::RunDirectory& directory) {
    return std::make_unique<run::RunLock>(run::LockPlace{directory.lock(), directory.create_root()},
                                          job, [&world](const std::string& loss) {
                                            log::error(loss);
                                            world.abort(base::ExitCode::rank_failed);
                                          });
  };
}

// Every rank runs the same, and goes on with what the checkpoint was made of; what the next ones
// are made of is noted in the state. A collective.
void require_the_same_run(run::RunSetup& setup, const run::PreparedRun& run,
                          const run::ProgramBuild& program, comm::HostCommunicator& host) {
  const std::string fingerprint = run.data.train.fingerprint(),
                    arithmetic = run::arithmetic_text(run.device);
  comm::agree(host, [&] {
    if (setup.resumed && setup.state.dataset_fingerprint != fingerprint)
      throw base::BadInput(
          base::text("data.train is not the dataset that this run was started with (fingerprint ",
                     fingerprint, ", the checkpoint has ", setup.state.dataset_fingerprint,
                     "): give it the same images, or start a new run with another run.name. ",
                     run::fork_advice(setup.origin)));
  });
  comm::require_equal(host, "program and libraries", run::environment_text(program.id, run.device));
  comm::require_equal(host, "configuration",
                      base::hash_name(base::hash_text(config::config_yaml(setup.config))));
  comm::require_equal(host, "training data", fingerprint);
  if (setup.config.distributed.reproducible) {
    comm::require_equal(host, "arithmetic (distributed.reproducible)", arithmetic);
    if (setup.resumed && setup.state.arithmetic != arithmetic && host.rank() == 0)
      log::warn(base::text(
          "the checkpoint was computed with ", setup.state.arithmetic, ", this run goes on with ",
          arithmetic,
          ": bits may differ from those of a run that was not stopped (distributed.reproducible)"));
  }
  setup.state.dataset_fingerprint = fingerprint;
  setup.state.program_version = run::kVersion;
  setup.state.arithmetic = arithmetic;
}

step::Learner make_learner(const config::Config& config, const run::PreparedRun& run,
                           comm::HostCommunicator& host, comm::CollectiveLog& collectives) {
  try {
    return step::Learner({config, run.data.train.shape(), run.plan, run.device}, host, collectives);
  } catch (const std::exception& error) {
    if (!step::is_out_of_memory(error)) throw;
    throw base::Failure(step::model_out_of_memory_text(error.what()));
  }
}

// The checkpoint's state on every rank, or a new run's, and the directory for what follows. A
// collective.
void resume(step::Learner& learner, run::RunSetup& setup, bool dry_run,
            comm::HostCommunicator& host) {
  comm::require_equal(host, "bucket plan", learner.describe_plan());
  comm::agree_on_rank_0(host, [&] {
    if (setup.resumed) {
      learner.restore(*setup.checkpoint, setup.origin);
    } else if (setup.checkpoint) {
      const bool optimizer_too = learner.begin_with(*setup.checkpoint, setup.origin);
      log::info(base::text(
          "a new run begins with the weights ",
          optimizer_too ? "and the optimizer's state of " : "of ", setup.origin,
          optimizer_too
              ? ""
              : "; its optimizer begins anew, as it needs another state than that one has"));
    }
    if (dry_run) return;
    run::RunDirectory(setup.config.run).create();
    if (setup.is_elsewhere) run::write_beginning(setup.config, learner, setup.state);
  });
  setup.checkpoint.reset();
  learner.replicate(host);
}

// The table, and what is unwise about the run. A collective: every rank tells where it runs.
void print_start(const config::Config& config, const run::PreparedRun& run,
                 const step::Learner& learner, std::int64_t first_step,
                 const run::LauncherFacts& launcher, const comm::MpiWorld& world,
                 comm::HostCommunicator& host) {
  const std::vector<std::string> places = comm::all_gather_text(
                                     host, run::place_text(run::own_place(run.device.device))),
                                 hosts = comm::all_gather_text(host, world.host());
  const std::vector<run::CoreUse> core_uses =
      run::gather_core_use(host, run::core_use(config, run.device, world));
  // Hosts may differ.
  const std::vector<std::string> slow_bfloat16 = comm::all_gather_text(
      host, run::bfloat16_warning(config.train, run.device, base::read_cpuinfo()));
  if (host.rank() != 0) return;

  StartFacts facts{config,     run.data.train, run.validation(), run.plan,
                   run.device, run.objective,  run.rates};
  facts.parameters = learner.parameter_count();
  facts.top_variance =
      evaluate::top_variance(run.data.train, kImagesLookedAt,
                             step::input_format(config, run.data.train, run.device.device));
  facts.first_step = first_step;
  if (world.local_size() < world.size()) facts.hosts = run::hosts_text(hosts);
  facts.places = run::by_ranks(places);
  facts.metrics = run::metrics_address_text(config.metrics, world.local_size() < world.size());
  facts.on_ctrl_c = run::ctrl_c_text(launcher);
  log::info("vae_dist " + std::string(run::kVersion) + "\n" +
            base::format_table(start_table(facts)));
  if (!step::is_likelihood_of(config, run.data.train))
    log::warn(
        "objective.likelihood is " + config.objective.likelihood.name +
        " and the images are grey: its negative logarithm is a loss, but not a likelihood, so no "
        "ELBO, bits per dimension or log p is given (data.binarize makes them 0 and 1)");
  for (const std::string& warning : run::source_warnings(config.data)) log::warn(warning);
  for (const std::string& warning : {collapse_warning(facts), run::squeezed_warning(core_uses),
                                     *std::max_element(slow_bfloat16.begin(), slow_bfloat16.end())})
    if (!warning.empty()) log::warn(warning);
}

bool nothing_is_left(const config::TrainConfig& train, const step::LearningRatePlan& rates,
                     const checkpoint::TrainingState& state) {
  if (stops_early(train.early_stop, state)) {
    log::info(base::text("this run has stopped early after ", state.step,
                         " steps (train.early_stop): nothing is left to do."));
    return true;
  }
  if (state.step < rates.steps_planned ||
      (state.step == rates.steps_planned && state.awaits_evaluation))
    return false;
  log::info(
      base::text("this run has done its ", state.step,
                 " steps: nothing is left to do. More train.epochs or train.steps make it go on."));
  return true;
}

// Writes down what runs, and on what. A collective.
run::RunEnvironment note_environment(const run::RunSetup& setup, const device::DeviceChoice& device,
                                     const run::ProgramBuild& program, const run::JobIdentity& job,
                                     const comm::MpiWorld& world, comm::HostCommunicator& host) {
  const run::RunDirectory directory(setup.config.run);
  // A job that failed before its first checkpoint was started again too.
  const bool goes_on = (setup.resumed && setup.state.step > 0) || job.restart > 0;
  run::RunEnvironment environment =
      run::run_environment(program, device, world.host(), goes_on, directory.environment(), host);
  comm::agree_on_rank_0(host, [&] {
    base::replace_file(directory.config(), config::kept_config_yaml(setup.config));
    run::write_environment(directory.environment(), environment, world.size());
  });
  return environment;
}

metrics::RunFacts run_facts(const config::Config& config, const run::PreparedRun& run,
                            const step::Learner& learner, const run::RunEnvironment& environment) {
  metrics::RunFacts facts{run.rates.steps_planned, run.plan.global_batch, run.plan.world_size,
                          run.plan.replicas, environment.restarts};
  facts.other_terms = learner.objective().other_terms();
  facts.build = {{"version", run::kVersion},
                 {"revision", environment.program.revision},
                 {"torch", environment.torch},
                 {"nccl", environment.nccl}};
  facts.run = {{"model", config.model.network.name},
               {"likelihood", config.objective.likelihood.name},
               {"device", environment.device},
               {"hosts", environment.hosts}};
  return facts;
}

// Rank 0's, when mpirun kills it in a moment. Whoever looks at the run then shall neither wait for
// it nor ask its ports. Nothing is said where another rank has failed and said so.
std::function<void()> last_words(const config::Config& config, const run::LauncherFacts& launcher,
                                 comm::Watchdog& watchdog, run::RunSetup& setup) {
  return [&config, &launcher, &watchdog, &setup] {
    std::error_code ignored;
    std::filesystem::remove(run::discovery_file(config), ignored);
    setup.lock.reset();
    const std::vector<std::filesystem::path> found =
        checkpoint::find_checkpoints(run::RunDirectory(config.run).checkpoints());
    if (!watchdog.failed_rank(base::Seconds(0)))
      log::error(base::text(
          "mpirun ends this run (Ctrl-C, SIGTERM to mpirun, or a rank that is gone) and kills its "
          "ranks after ",
          base::digits(launcher.until_killed.count()),
          " s, in which the step under way and its checkpoint have not come to their end. ",
          found.empty() ? "There is no checkpoint yet."
                        : base::text("The newest checkpoint is ", found.front().string(),
                                     ": the same command goes on from it."),
          launcher.kind == run::LauncherFacts::Kind::mpirun
              ? " launcher/vae_launch waits for both; a plain mpirun for twice the seconds of "
                "OMPI_MCA_odls_base_sigkill_timeout in its environment."
              : ""));
  };
}

// What goes wrong on one rank alone ends all of them.
base::ExitCode run_to_the_end(TrainingLoop& loop, run::RankFailure& failure, run::JobEnd& job_end,
                              int rank) {
  try {
    return loop.run();
  } catch (const comm::AgreedError&) {
    if (rank == 0) job_end.push("failed", kTimeToPush);
    throw;
  } catch (const std::exception& error) {
    // Before anything is destroyed: threads, files and communicators of the run would wait for
    // ranks that wait for this one.
    failure.end_all_ranks(error, base::text("in step ", loop.steps_done() + 1, "\n"));
  }
}

void print_end(bool stopped, const TrainingLoop& loop, std::int64_t first_step,
               std::int64_t global_batch, base::Seconds duration,
               const run::RunDirectory& directory) {
  log::info(run::run_summary(
      {stopped, loop.steps_done() - first_step, loop.steps_done(), global_batch, duration,
       loop.best_validation(),
       checkpoint::checkpoint_directory(directory.checkpoints(), loop.steps_done()).string()},
      directory));
}

}  // namespace

base::ExitCode run_training(const TrainingRequest& request, const comm::MpiWorld& world) {
  comm::CollectiveLog collectives;
  const std::unique_ptr<comm::HostCommunicator> host =
      comm::make_logged_communicator(world.make_communicator(), "host", collectives);
  const bool first = host->rank() == 0;
  const run::LauncherFacts launcher = run::own_launcher();
  if (!request.dry_run) {
    run::install_stop_signals(launcher.mpirun);
    // The run's lock tells vae_launch that every rank listens.
    host->barrier();
  }
  const run::JobIdentity job = run::job_from_environment();
  run::RunSetup setup =
      run::set_up_run(request.run, request.dry_run ? run::LockRun() : lock_for(job, world), *host);
  config::Config& config = setup.config;
  log::configure(world.rank(), world.size(), config.log.level);

  run::JobEnd job_end(config);
  run::RankFailure failure(world, collectives, request.tell_failure,
                           [&] { job_end.push("failed", kTimeToPush); });
  failure.watchdog().enter("start", 0, base::Seconds(config.distributed.slow_timeout_s));
  std::optional<run::LastMoments> last_moments;
  if (first && !request.dry_run)
    last_moments.emplace(0.8 * launcher.until_killed,
                         last_words(config, launcher, failure.watchdog(), setup));

  const run::PreparedRun run = run::prepare_run(config, world, *host);
  require_the_same_run(setup, run, request.program, *host);
  step::Learner learner = make_learner(config, run, *host, collectives);
  resume(learner, setup, request.dry_run, *host);
  const std::int64_t first_step = setup.state.step;
  print_start(config, run, learner, first_step, launcher, world, *host);
  if (request.dry_run || nothing_is_left(config.train, run.rates, setup.state))
    return base::ExitCode::done;

  const run::RunDirectory directory(config.run);
  if (request.errors_go_to) request.errors_go_to(directory.errors().string());
  const run::RunEnvironment environment =
      note_environment(setup, run.device, request.program, job, world, *host);
  run::Recorder recorder({config, run_facts(config, run, learner, environment),
                          run.rates.epochs_planned(), setup.state, run.device.device},
                         world, *host, job_end);
  if (recorder.port())
    log::info(base::text("metrics: http://", run::scrape_host(recorder.address(), world.host()),
                         ":", *recorder.port(), "/metrics"));
  const std::unique_ptr<comm::HostCommunicator> flags =
      comm::make_logged_communicator(host->duplicate(), "flags", collectives);
  TrainingLoop loop({.config = config,
                     .train = run.data.train,
                     .validation = run.validation(),
                     .plan = run.plan,
                     .objective = run.objective,
                     .learning_rate = run.rates,
                     .device = run.device.device,
                     .learner = learner,
                     .recorder = recorder,
                     .watchdog = failure.watchdog(),
                     .ranks = {.host = *host, .flags = *flags, .node = *run.data.node}},
                    setup.state);
  base::give_back_freed_memory();  // start-up has looked at kImagesLookedAt images at once
  job_end.begin(first_step);
  const base::ExitCode code = run_to_the_end(loop, failure, job_end, host->rank());

  if (first) {
    const bool stopped = code == base::ExitCode::stopped;
    print_end(stopped, loop, first_step, run.plan.global_batch, job_end.duration(), directory);
    job_end.push(stopped ? "stopped" : "done", kTimeToPush);
  }
  return code;
}

}  // namespace vae_dist::train
