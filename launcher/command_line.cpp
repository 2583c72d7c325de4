#include "launcher/command_line.hpp"

#include <iostream>
#include <string>
#include <vector>

#include "launcher/verbs.hpp"
#include "train/device/version.hpp"

namespace vae_dist {
namespace {

// `vae_dist --config X.yaml` trains: the verb may be left out.
std::vector<std::string> with_default_verb(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool plain = !arguments.empty() && (arguments[0] == "--config" || arguments[0].starts_with("--config=") || arguments[0] == "--from" || arguments[0].starts_with("--from=") || arguments[0] == "--dry-run");
  if (plain) arguments.insert(arguments.begin(), "train");
  return arguments;
}

// CLI11 says what is missing before it says what it does not know, though a mistyped name is the reason of both.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  return unknown.empty() ? error.what() : text("there is no verb, option or argument ", unknown.front(), " here");
}

}  // namespace

std::function<ExitCode()> on_one_rank(const VerbContext& context, std::function<void()> work) {
  return [first = context.world.rank() == 0, work = std::move(work)] {
    if (first) work();
    return ExitCode::done;
  };
}

ExitCode run_command(int argc, char** argv, const MpiWorld& world, FailureReport& report) {
  CLI::App app("Trains variational autoencoders on one GPU or many.\n\n  vae_dist --config configs/mnist.yaml\n  mpirun -np 8 vae_dist --config big.yaml train.global_batch=2048\n", "vae_dist");
  app.set_version_flag("--version", std::string("vae_dist ") + kVersion);
  app.require_subcommand(1);
  app.get_formatter()->column_width(38);  // the longest options with their defaults stay apart from what they mean
  VerbContext context{world, report, {}};
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
  add_monitor_verb(app, context);
  add_bench_verb(app, context);
  add_weights_verb(app, context);
  add_data_verb(app, context);
  add_config_verb(app, context);

  std::vector<std::string> arguments = with_default_verb(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      if (world.rank() == 0) app.exit(error);
      return ExitCode::done;
    }
    if (world.rank() == 0) std::cerr << "vae_dist: " << complaint(app, error) << "\nRun vae_dist --help, or vae_dist VERB --help.\n";
    return ExitCode::bad_input;
  }
  return context.chosen();
}

}  // namespace vae_dist
