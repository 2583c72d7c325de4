// The verbs: each adds its subcommand to the command line and sets what runs when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/error.hpp"
#include "comm/mpi_world.hpp"
#include "launcher/failure_report.hpp"
#include "launcher/verb_files.hpp"

namespace vae_dist::launcher {

struct VerbContext {
  const comm::MpiWorld& world;
  FailureReport& report;
  std::function<base::ExitCode()> chosen;  ///< set when a verb was parsed
  VerbFiles files;                         ///< what the verbs read and write
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
void add_monitor_verb(CLI::App& app, VerbContext& context);
void add_lesson_verb(CLI::App& app, VerbContext& context);
void add_bench_verb(CLI::App& app, VerbContext& context);
void add_weights_verb(CLI::App& app, VerbContext& context);
void add_data_verb(CLI::App& app, VerbContext& context);
void add_config_verb(CLI::App& app, VerbContext& context);

/// For verbs that need no ranks: under mpirun rank 0 does the work, the others leave.
std::function<base::ExitCode()> on_one_rank(const VerbContext& context, std::function<void()> work);

}  // namespace vae_dist::launcher
