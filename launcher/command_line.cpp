#include "launcher/command_line.hpp"

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "comm/agreement.hpp"
#include "config/nearest_name.hpp"
#include "launcher/verbs.hpp"
#include "run/version.hpp"

namespace vae_dist::launcher {
namespace {

// The verb is optional: `vae_dist --config X.yaml` and `vae_dist X.yaml` train.
std::vector<std::string> with_default_verb(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto is_option = [&](const std::string& name) {
    return arguments[0] == name || arguments[0].starts_with(name + "=");
  };
  const bool plain =
      !arguments.empty() && (std::any_of(kBeginTraining.begin(), kBeginTraining.end(), is_option) ||
                             arguments[0].ends_with(".yaml") || arguments[0].ends_with(".yml"));
  if (plain) arguments.insert(arguments.begin(), "train");
  return arguments;
}

// Returns the verb at which parsing failed.
const CLI::App* innermost(const CLI::App* app) {
  for (auto chosen = app->get_subcommands(); !chosen.empty(); chosen = app->get_subcommands())
    app = chosen.back();
  return app;
}

// Suggests what the user may have meant: an option of this verb, or a verb, including those of a
// group ("data info").
std::string suggestion(const CLI::App& app, const std::string& unknown) {
  const CLI::App& here = *innermost(&app);
  std::vector<std::string> known;
  for (const CLI::Option* option : here.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const CLI::App* verb : here.get_subcommands({})) {
    known.push_back(verb->get_name());
    for (const CLI::App* inner : verb->get_subcommands({}))
      if (inner->get_name() == unknown)
        return base::text("; did you mean '", verb->get_name(), " ", unknown, "'?");
  }
  constexpr std::size_t kShortest = 3;  // shorter names are near to anything
  const std::string name = unknown.substr(0, unknown.find('='));
  const std::string nearest = name.size() < kShortest ? "" : config::nearest_name(name, known);
  return nearest.empty() ? "" : base::text("; did you mean '", nearest, "'?");
}

// CLI11 reports a missing argument before an unknown one, although a mistyped name often causes
// both. So report the unknown one first.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  return unknown.empty() ? error.what()
                         : base::text("there is no verb, option or argument ", unknown.front(),
                                      " here", suggestion(app, unknown.front()));
}

}  // namespace

std::function<base::ExitCode()> on_one_rank(const VerbContext& context,
                                            std::function<void()> work) {
  return [first = context.world.rank() == 0, work = std::move(work)] {
    if (first) work();
    return base::ExitCode::done;
  };
}

base::ExitCode run_command(int argc, char** argv, const comm::MpiWorld& world,
                           FailureReport& report) {
  CLI::App app(
      "Trains variational autoencoders on one GPU or many.\n\n  vae_dist --config "
      "configs/mnist.yaml\n  mpirun -np 8 vae_dist --config big.yaml train.global_batch=2048\n",
      "vae_dist");
  app.set_version_flag("--version", std::string("vae_dist ") + run::kVersion);
  app.require_subcommand(1);
  // Keeps the longest options and their defaults apart from their descriptions.
  app.get_formatter()->column_width(38);
  VerbContext context{world, report, {}, {}};
  add_train_verb(app, context);
  add_evaluate_verb(app, context);
  add_sample_verb(app, context);
  add_reconstruct_verb(app, context);
  add_interpolate_verb(app, context);
  add_traverse_verb(app, context);
  add_embed_verb(app, context);
  add_compare_verb(app, context);
  add_lesson_verb(app, context);
  add_report_verb(app, context);
  add_runs_verb(app, context);
  add_monitor_verb(app, context);
  add_bench_verb(app, context);
  add_weights_verb(app, context);
  add_data_verb(app, context);
  add_config_verb(app, context);
  add_completion_verb(app, context);

  std::vector<std::string> arguments = with_default_verb(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 expects them in reverse order
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      if (world.rank() == 0) app.exit(error);
      return base::ExitCode::done;
    }
    if (world.rank() == 0)
      std::cerr << "vae_dist: " << complaint(app, error)
                << "\nRun vae_dist --help, or vae_dist VERB --help.\n";
    return base::ExitCode::bad_input;
  }
  if (context.files.has_outputs()) {
    // Check before any work, on one rank for all.
    const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
    comm::agree_on_rank_0(*all_ranks, [&] { context.files.check(); });
  }
  return context.chosen();
}

}  // namespace vae_dist::launcher
