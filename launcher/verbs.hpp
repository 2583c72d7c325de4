// The verbs. Each function adds its subcommand to the command line and sets the action that runs if
// the verb is chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "completion/completion_script.hpp"
#include "launcher/failure_report.hpp"
#include "launcher/verb_files.hpp"

namespace vae_dist::launcher {

struct VerbContext {
  const comm::MpiWorld& world;
  FailureReport& report;
  std::function<base::ExitCode()> chosen;  ///< set by the verb that was parsed
  VerbFiles files;                         ///< the inputs and outputs of the verbs
};

void add_train_verb(CLI::App& app, VerbContext& context);
void add_evaluate_verb(CLI::App& app, VerbContext& context);
void add_sample_verb(CLI::App& app, VerbContext& context);
void add_reconstruct_verb(CLI::App& app, VerbContext& context);
void add_interpolate_verb(CLI::App& app, VerbContext& context);
void add_traverse_verb(CLI::App& app, VerbContext& context);
void add_embed_verb(CLI::App& app, VerbContext& context);
void add_compare_verb(CLI::App& app, VerbContext& context);
void add_report_verb(CLI::App& app, VerbContext& context);
void add_runs_verb(CLI::App& app, VerbContext& context);
void add_monitor_verb(CLI::App& app, VerbContext& context);
void add_lesson_verb(CLI::App& app, VerbContext& context);
void add_bench_verb(CLI::App& app, VerbContext& context);
void add_weights_verb(CLI::App& app, VerbContext& context);
void add_data_verb(CLI::App& app, VerbContext& context);
void add_config_verb(CLI::App& app, VerbContext& context);
void add_completion_verb(CLI::App& app, VerbContext& context);

/// Wraps the work of a verb that needs only one rank: under mpirun rank 0 does the work, and the
/// others exit.
std::function<base::ExitCode()> on_one_rank(const VerbContext& context, std::function<void()> work);

}  // namespace vae_dist::launcher
