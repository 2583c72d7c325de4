#include "train/training_run.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

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
#include "inference/evaluated_data.hpp"
#include "inference/network_files.hpp"
#include "kernels/convolution_choice.hpp"
#include "run/core_binding.hpp"
#include "run/job_outcome.hpp"
#include "run/last_moments.hpp"
#include "run/launcher_facts.hpp"
#include "run/metrics_address.hpp"
#include "run/prepared_run.hpp"
#include "run/rank_failure.hpp"
#include "run/rank_placement.hpp"
#include "run/run_beginning.hpp"
#include "run/run_directory.hpp"
#include "run/run_environment.hpp"
#include "run/run_setup.hpp"
#include "run/run_summary.hpp"
#include "run/saving_time.hpp"
#include "run/start_warnings.hpp"
#include "run/stop_signal.hpp"
#include "run/survivors.hpp"
#include "run/version.hpp"
#include "step/convolution_plan.hpp"
#include "step/out_of_memory.hpp"
#include "train/early_stop.hpp"
#include "train/start_table.hpp"
#include "train/survivors_checkpoint.hpp"
#include "train/training_loop.hpp"

namespace vae_dist::train {
namespace {

// A Pushgateway answers within milliseconds. When a rank fails, the other ranks wait no longer than
// this.
constexpr base::Seconds kTimeToPush{2};

// The variance of the training images is estimated from at most this many, all held at once: of
// large ones fewer.
constexpr std::int64_t kImagesLookedAt = 2000, kFewestLookedAt = 16,
                       kBytesLookedAt = std::int64_t{128} << 20;

std::int64_t images_looked_at(const data::SampleDataset& dataset) {
  const std::int64_t bytes = dataset.shape().values() * static_cast<std::int64_t>(sizeof(float));
  return std::clamp(kBytesLookedAt / bytes, kFewestLookedAt, kImagesLookedAt);
}

// `survives`: a failure has come, after which another rank of this start may take the lock.
run::LockRun lock_for(const run::JobIdentity& job, const comm::MpiWorld& world,
                      const std::atomic<bool>& survives) {
  return [&job, &world, &survives](const run::RunDirectory& directory) {
    return std::make_unique<run::RunLock>(
        run::LockLocation{directory.lock(), directory.create_root()}, job,
        [&world, &survives](const std::string& loss) {
          if (survives) return;
          log::error(loss);
          world.abort(base::ExitCode::rank_failed);
        });
  };
}

// Requires that every rank runs the same program, configuration and data, and that a resumed run
// has the data of its checkpoint. Records them in the state for the next checkpoints. A collective.
void require_the_same_run(run::RunSetup& setup, const run::PreparedRun& run,
                          const run::ProgramBuild& program, comm::CpuCommunicator& all_ranks) {
  const std::string arithmetic = run::arithmetic_text(run.device, setup.config.train.precision);
  std::string fingerprint;
  comm::agree(all_ranks, [&] {
    // A run that goes on keeps its kind of fingerprint.
    fingerprint = setup.resumed ? run.data.train.fingerprint_like(setup.state.dataset_fingerprint)
                                : run.data.train.fingerprint();
    if (setup.resumed && setup.state.dataset_fingerprint != fingerprint)
      throw base::BadInput(
          base::text("data.train is not the dataset that this run was started with (fingerprint ",
                     fingerprint, ", the checkpoint has ", setup.state.dataset_fingerprint,
                     "). Use the same images, or start a new run with another run.name. ",
                     run::fork_advice(setup.origin)));
  });
  comm::require_equal(all_ranks, "program and libraries",
                      run::environment_text(program.id, run.device));
  comm::require_equal(all_ranks, "configuration",
                      base::hash_name(base::hash_text(config::config_yaml(setup.config))));
  comm::require_equal(all_ranks, "training data", fingerprint);
  if (setup.config.distributed.reproducible) {
    comm::require_equal(all_ranks, "arithmetic (distributed.reproducible)", arithmetic);
    if (setup.resumed && setup.state.arithmetic != arithmetic && all_ranks.rank() == 0)
      log::warn(base::text("the checkpoint was computed with ", setup.state.arithmetic,
                           ", but this run continues with ", arithmetic,
                           ". The result may not be bitwise equal to that of an uninterrupted run "
                           "(distributed.reproducible)"));
  }
  setup.state.dataset_fingerprint = fingerprint;
  const auto& normalisation = run.data.train.normalisation();
  setup.state.normalisation = normalisation ? normalisation->text() : "";
  setup.state.conditions = run.data.conditions.text();
  setup.state.program_version = run::kVersion;
  setup.state.arithmetic = arithmetic;
}

step::Learner make_learner(const run::RunSetup& setup, const run::PreparedRun& run,
                           comm::CpuCommunicator& all_ranks, comm::CollectiveLog& collectives) {
  config::Config config = setup.config;
  std::string files;
  comm::agree(all_ranks, [&] {
    if (setup.resumed)
      inference::use_kept_network_files(config, setup.origin, setup.state.kept_files);
    for (const auto& [key, sum] : inference::sums_of_network_files(config))
      files += base::text(key, " of SHA-256 ", sum, "; ");
  });
  // Ranks on other machines may find other files under the same names.
  comm::require_equal(all_ranks, "files from Python", files);
  try {
    return step::Learner({config, run.data.train.shape(), run.plan, run.device,
                          run.data.conditions.values(), run.data.train.size()},
                         all_ranks, collectives);
  } catch (const base::BadInput&) {
    // The network refuses its settings, on every rank alike.
    comm::agree(all_ranks, [] { throw; });
    throw;
  } catch (const std::exception& error) {
    if (!step::is_out_of_memory(error)) throw;
    throw base::Failure(step::model_out_of_memory_text(error.what()));
  }
}

// Copies the files of a network into a run that begins, or that begins to go on from elsewhere.
void keep_network(run::RunSetup& setup) {
  config::Config config = setup.config;
  if (setup.resumed) inference::name_kept_network_files(config, setup.origin);
  setup.state.kept_files =
      inference::keep_network_files(config, run::RunDirectory(config.run).path());
}

// Restores the checkpoint on every rank, or starts a new run, and creates the run directory. A
// collective.
void resume(step::Learner& learner, run::RunSetup& setup, bool dry_run,
            comm::CpuCommunicator& all_ranks) {
  comm::require_equal(all_ranks, "bucket plan", learner.describe_plan());
  comm::agree_on_rank_0(all_ranks, [&] {
    if (setup.resumed) {
      for (const std::string& told : inference::told_of_unused_network_files(
               setup.config, setup.origin, setup.state.kept_files))
        log::warn(told);
      learner.restore(*setup.checkpoint, setup.origin);
    } else if (setup.checkpoint) {
      for (const std::string& told : inference::told_of_other_network_files(
               setup.config, setup.origin, setup.checkpoint->state.kept_files))
        log::warn(told);
      const bool optimizer_too = learner.begin_with(*setup.checkpoint, setup.origin);
      log::info(base::text("a new run begins with the weights ",
                           optimizer_too ? "and the optimizer state of " : "of ", setup.origin,
                           optimizer_too ? ""
                                         : "; its optimizer starts afresh, because it needs a "
                                           "different state than the one in that checkpoint"));
    }
    if (dry_run) return;
    const run::RunDirectory directory(setup.config.run);
    directory.create();
    // A run that begins with imported weights may get its loss only now.
    if (!setup.resumed || setup.is_elsewhere || setup.state.step == 0) keep_network(setup);
    if (setup.is_elsewhere) run::write_beginning(setup.config, learner, setup.state);
  });
  setup.checkpoint.reset();
  // What rank 0 has copied is recorded in the checkpoint of any survivor of a failure.
  setup.state = checkpoint::training_state_from_json(
      comm::broadcast_text(all_ranks, checkpoint::to_json(setup.state)), "state of rank 0");
  learner.replicate(all_ranks);
}

// Prints the start table and warnings about the run. A collective, because every rank reports where
// it runs.
void print_start(const config::Config& config, const run::PreparedRun& run,
                 const step::Learner& learner, std::int64_t first_step,
                 const run::LauncherFacts& launcher, const comm::MpiWorld& world,
                 comm::CpuCommunicator& all_ranks) {
  const std::vector<std::string> placements = comm::all_gather_text(
                                     all_ranks,
                                     run::placement_text(run::own_placement(run.device.device))),
                                 hosts = comm::all_gather_text(all_ranks, world.host());
  const std::vector<run::CoreUse> core_uses =
      run::gather_core_use(all_ranks, run::core_use(config, run.device, world));
  // The CPUs of the hosts may differ.
  std::int64_t rounding = run::rounds_bfloat16(run.device.device, config.train.precision) ? 1 : 0;
  all_ranks.all_reduce_sum({&rounding, 1, comm::DataType::int64});
  if (all_ranks.rank() != 0) return;

  StartFacts facts{config,     run.data.train, run.validation(), run.plan,
                   run.device, run.objective,  run.rates};
  facts.parameters = learner.parameter_count();
  facts.top_variance =
      evaluate::top_variance(run.data.train, images_looked_at(run.data.train),
                             input::input_format(config, run.data.train, run.device.device));
  facts.first_step = first_step;
  facts.ranks_rounding = rounding;
  facts.ranks_of_node = world.local_size();
  facts.conditions = run.data.conditions.description();
  facts.order_reason = run.data.order_reason;
  if (world.local_size() < world.size()) facts.hosts = run::hosts_text(hosts);
  facts.placements = run::by_ranks(placements);
  facts.metrics = run::metrics_address_text(config.metrics, world.local_size() < world.size());
  facts.on_ctrl_c = run::ctrl_c_text(launcher);
  if (world.size() > 1)
    facts.on_lost_rank = run::lost_rank_text(
        launcher, run::read_checkpoint_time(run::RunDirectory(config.run).checkpoint_time()));
  log::info("vae_dist " + std::string(run::kVersion) + "\n" +
            base::format_table(start_table(facts)));
  if (!step::is_likelihood_of(config, run.data.train))
    log::warn("objective.likelihood is " + config.objective.likelihood.name +
              " and the images are grey, so its negative logarithm is a loss but not a likelihood. "
              "No ELBO, bits per dimension or log p is reported. data.binarize turns the values "
              "into 0 and 1");
  for (const std::string& warning : run::source_warnings(config.data)) log::warn(warning);
  for (const std::string& warning : {collapse_warning(facts), run::squeezed_warning(core_uses)})
    if (!warning.empty()) log::warn(warning);
}

bool nothing_is_left(const config::TrainConfig& train, const step::LearningRatePlan& rates,
                     const checkpoint::TrainingState& state) {
  if (stops_early(train.early_stop, state)) {
    log::info(base::text("this run has stopped early after ", state.step,
                         " steps (train.early_stop). There is nothing left to do."));
    return true;
  }
  if (state.step < rates.steps_planned ||
      (state.step == rates.steps_planned && state.awaits_evaluation))
    return false;
  log::info(base::text(
      "this run has completed its ", state.step,
      " steps. There is nothing left to do. Increase train.epochs or train.steps to continue it."));
  return true;
}

// Finds by what this run compares its evaluations. A collective.
ComparedBy find_measures(const config::Config& config, const run::PreparedRun& run,
                         const objective::Objective& objective, comm::CpuCommunicator& all_ranks) {
  ComparedBy out;
  comm::agree(all_ranks, [&] {
    const data::SampleDataset& data = run.validation() ? *run.validation() : run.data.train;
    out = compared_by(config, objective.options(),
                      inference::evaluation_options(config, run.objective, data, {0, data.size()},
                                                    0, run.device.device));
  });
  return out;
}

// Records the configuration and the environment of this start. A collective.
run::RunEnvironment note_environment(const run::RunSetup& setup, const run::PreparedRun& run,
                                     const run::ProgramBuild& program, const run::JobIdentity& job,
                                     const comm::MpiWorld& world,
                                     comm::CpuCommunicator& all_ranks) {
  const run::RunDirectory directory(setup.config.run);
  // A job that failed before its first checkpoint also counts as restarted.
  const bool goes_on = (setup.resumed && setup.state.step > 0) || job.restart > 0;
  run::RunEnvironment environment = run::run_environment(program, run.device, world.host(), goes_on,
                                                         directory.environment(), all_ranks);
  environment.steps_planned = run.rates.steps_planned;
  comm::agree_on_rank_0(all_ranks, [&] {
    base::replace_file(directory.config(), config::kept_config_yaml(setup.config));
    run::write_environment(directory.environment(), environment, world.size());
  });
  return environment;
}

// Decides how convolutions are computed and writes it down before the first step. A run that goes
// on keeps what it has written. A collective.
void keep_convolutions(step::Learner& learner, const run::RunSetup& setup,
                       comm::CpuCommunicator& all_ranks) {
  const std::filesystem::path file = run::RunDirectory(setup.config.run).convolutions();
  std::string kept;
  comm::agree_on_rank_0(all_ranks, [&] {
    if (!setup.resumed) return;
    if (std::filesystem::exists(file)) kept = base::read_file(file);
    // Begun when there were no ways in bf16: LibTorch's computed it, and go on to do so.
    else if (setup.config.train.precision == config::Precision::bf16 &&
             kernels::multiplies_bfloat16())
      kept = kernels::ConvolutionChoice(kernels::ConvolutionWay::onednn).to_json();
  });
  const std::string ways = step::plan_convolutions(learner, {setup.config, kept}, all_ranks);
  comm::agree_on_rank_0(all_ranks, [&] {
    if (!ways.empty() && (ways != kept || !std::filesystem::exists(file)))
      base::replace_file(file, ways);
  });
}

metrics::RunFacts run_facts(const config::Config& config, const run::PreparedRun& run,
                            const step::Learner& learner, const run::RunEnvironment& environment) {
  metrics::RunFacts facts{run.rates.steps_planned, run.plan.global_batch, run.plan.world_size,
                          run.plan.replicas, environment.restarts};
  facts.extra_terms = learner.objective().extra_terms();
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

// A rank that is killed must not leave a file that looks as if it still trained.
void remove_textfile(const config::Config& config, int rank) {
  std::error_code ignored;
  if (config.metrics.textfile) std::filesystem::remove(run::textfile(config, rank), ignored);
}

// A rank runs this when it ends without unwinding. It removes the rank's file for node_exporter,
// and on rank 0 the lock and the service-discovery file, so that nobody waits for the run or
// scrapes its ports.
std::function<void()> clean_up(const config::Config& config, run::RunSetup& setup, int rank) {
  return [&config, &setup, rank, once = std::make_shared<std::once_flag>()] {
    std::call_once(*once, [&] {
      remove_textfile(config, rank);
      if (rank != 0) return;
      std::error_code ignored;
      std::filesystem::remove(run::discovery_file(config), ignored);
      setup.lock.reset();
    });
  };
}

// A rank runs this when mpirun is about to kill it. It prints nothing if another rank has failed
// and reported that, or if a rank was lost and the others save the last step.
std::function<void()> last_words(const config::Config& config, const run::LauncherFacts& launcher,
                                 comm::Watchdog& watchdog, const std::atomic<bool>& survives,
                                 int rank, std::function<void()> clean) {
  return [&config, &launcher, &watchdog, &survives, rank, clean = std::move(clean)] {
    if (survives) return;
    clean();
    if (rank != 0) return;
    const std::vector<std::filesystem::path> found =
        checkpoint::find_checkpoints(run::RunDirectory(config.run).checkpoints());
    if (!watchdog.failed_rank(base::Seconds(0)))
      log::error(
          base::text("mpirun ends this run (Ctrl-C, SIGTERM to mpirun, or a lost rank) and kills "
                     "its ranks after ",
                     base::digits(launcher.until_killed.count()),
                     " s, before the current step and its checkpoint could finish. ",
                     found.empty() ? "There is no checkpoint yet."
                                   : base::text("The newest checkpoint is ", found.front().string(),
                                                "; the same command continues from it."),
                     launcher.kind == run::LauncherFacts::Kind::mpirun
                         ? " launcher/vae_launch waits for both; plain mpirun waits for twice the "
                           "seconds in OMPI_MCA_odls_base_sigkill_timeout of its environment."
                         : ""));
  };
}

// A failure of one rank ends all ranks.
base::ExitCode run_to_the_end(TrainingLoop& loop, run::RankFailure& failure,
                              run::JobOutcome& job_outcome, int rank) {
  try {
    return loop.run();
  } catch (const comm::AgreedError&) {
    if (rank == 0) job_outcome.push("failed", kTimeToPush);
    throw;
  } catch (const std::exception& error) {
    // End before anything is destroyed: the threads, files and communicators of the run would wait
    // for ranks that wait for this one.
    failure.end_all_ranks(error, base::text("in step ", loop.steps_done() + 1, "\n"));
  }
}

// A rank that holds a random number of its own is of another start. A collective.
StartIdentity identify_start(const run::RunSetup& setup, const run::JobIdentity& job,
                             comm::CpuCommunicator& all_ranks) {
  const bool first = all_ranks.rank() == 0;
  // The files of an earlier start.
  std::error_code ignored;
  if (first) std::filesystem::remove_all(run::RunDirectory(setup.config.run).survivors(), ignored);
  return {comm::broadcast_text(all_ranks, first ? run::random_start() : ""),
          comm::broadcast_text(all_ranks, setup.lock ? setup.lock->content() : ""), job};
}

// A collective.
std::vector<run::ProcessIdentity> all_processes(comm::CpuCommunicator& all_ranks) {
  std::vector<run::ProcessIdentity> out;
  for (const std::string& one : comm::all_gather_text(all_ranks, run::text_of(run::own_process())))
    out.push_back(run::process_in(one));
  return out;
}

void print_end(bool stopped, const TrainingLoop& loop, std::int64_t first_step,
               std::int64_t global_batch, base::Seconds duration, std::optional<double> joules,
               const run::RunDirectory& directory) {
  log::info(run::run_summary(
      {stopped, loop.steps_done() - first_step, loop.steps_done(), global_batch, duration,
       loop.best_validation(), joules,
       checkpoint::checkpoint_directory(directory.checkpoints(), loop.steps_done()).string()},
      directory));
}

}  // namespace

base::ExitCode run_training(const TrainingRequest& request, const comm::MpiWorld& world) {
  comm::CollectiveLog collectives;
  const std::unique_ptr<comm::CpuCommunicator> all_ranks =
      comm::make_logged_communicator(world.make_communicator(), "main", collectives);
  const bool first = all_ranks->rank() == 0;
  const run::LauncherFacts launcher = run::own_launcher();
  if (!request.dry_run) {
    run::install_stop_signals(launcher.mpirun);
    // The lock, taken below, tells vae_launch that every rank handles the signals.
    all_ranks->barrier();
  }
  const run::JobIdentity job = run::job_from_environment();
  std::atomic<bool> survives = false;
  run::RunSetup setup = run::set_up_run(
      request.run, request.dry_run ? run::LockRun() : lock_for(job, world, survives), *all_ranks);
  config::Config& config = setup.config;
  log::configure(world.rank(), world.size(), config.log.level);

  run::JobOutcome job_outcome(config);
  run::RankFailure failure(world, collectives, request.tell_failure, [&] {
    remove_textfile(config, world.rank());
    job_outcome.push("failed", kTimeToPush);
  });
  failure.watchdog().enter("start", 0, base::Seconds(config.distributed.slow_timeout_s));
  std::optional<run::LastMoments> last_moments;
  const std::function<void()> clean = clean_up(config, setup, world.rank());
  if (!request.dry_run)
    last_moments.emplace(
        0.8 * launcher.until_killed,
        last_words(config, launcher, failure.watchdog(), survives, world.rank(), clean));

  const run::PreparedRun run = run::prepare_run(
      config, world, *all_ranks,
      setup.resumed ? input::FoundInTraining{setup.state.normalisation, setup.state.conditions}
                    : input::FoundInTraining());
  require_the_same_run(setup, run, request.program, *all_ranks);
  step::Learner learner = make_learner(setup, run, *all_ranks, collectives);
  const ComparedBy by = find_measures(config, run, learner.objective(), *all_ranks);
  const std::string forgotten = forget_other_measures(by, setup.state);
  const std::string last_steps =
      setup.resumed && setup.checkpoint ? setup.checkpoint->last_steps : "";
  resume(learner, setup, request.dry_run, *all_ranks);
  const std::int64_t first_step = setup.state.step;
  print_start(config, run, learner, first_step, launcher, world, *all_ranks);
  if (request.dry_run || nothing_is_left(config.train, run.rates, setup.state))
    return base::ExitCode::done;
  if (first && !forgotten.empty()) log::info(forgotten);

  const run::RunDirectory directory(config.run);
  if (request.write_errors_to) request.write_errors_to(directory.errors().string());
  const run::RunEnvironment environment =
      note_environment(setup, run, request.program, job, world, *all_ranks);
  run::Recorder recorder({config, run_facts(config, run, learner, environment),
                          run.rates.epochs_planned(), setup.state, run.device.device, last_steps},
                         world, *all_ranks, job_outcome);
  keep_convolutions(learner, setup, *all_ranks);  // takes the memory of a step
  if (recorder.port())
    log::info(base::text("metrics: http://", run::scrape_host(recorder.address(), world.host()),
                         ":", *recorder.port(), "/metrics"));
  const std::unique_ptr<comm::CpuCommunicator> flags =
      comm::make_logged_communicator(all_ranks->duplicate(), "flags", collectives);
  TrainingLoop loop({.config = config,
                     .train = run.data.train,
                     .validation = run.validation(),
                     .plan = run.plan,
                     .objective = run.objective,
                     .learning_rate = run.rates,
                     .compared_by = by,
                     .device = run.device.device,
                     .learner = learner,
                     .recorder = recorder,
                     .watchdog = failure.watchdog(),
                     .ranks = {.all = *all_ranks, .flags = *flags, .node = *run.data.node}},
                    setup.state);
  base::give_back_freed_memory();  // start-up has held up to kBytesLookedAt of images at once
  const StartIdentity identity = identify_start(setup, job, *all_ranks);
  const run::SavingTimes times = run::saving_times(
      learner.state_bytes(), run::read_checkpoint_time(directory.checkpoint_time()),
      base::Seconds(config.distributed.slow_timeout_s));
  const auto save = [&](const std::function<bool(int)>& has_ended) {
    survives = true;
    save_with_survivors(loop.last_step(),
                        {config, identity, launcher, world.rank(), world.size(), world.host(),
                         learner.state_bytes(), has_ended, setup.lock != nullptr});
    // Ranks that mpirun ends leave without unwinding.
    if (run::mpirun_ends()) clean();
  };
  const run::RankFailure::Saving saving =
      failure.save_before_the_end(save, times.all(), all_processes(*all_ranks), launcher);
  job_outcome.begin(first_step);
  const base::ExitCode code = run_to_the_end(loop, failure, job_outcome, all_ranks->rank());

  if (first) {
    const bool stopped = code == base::ExitCode::stopped;
    if (!stopped) recorder.complete(loop.steps_done());
    print_end(stopped, loop, first_step, run.plan.global_batch, job_outcome.duration(),
              recorder.joules(), directory);
    job_outcome.push(stopped ? "stopped" : "done", kTimeToPush);
  }
  return code;
}

}  // namespace vae_dist::train
