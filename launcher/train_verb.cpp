#include <memory>

#include "launcher/revision.hpp"
#include "launcher/verbs.hpp"
#include "train/training_run.hpp"

namespace vae_dist {

void add_train_verb(CLI::App& app, VerbContext& context) {
  auto request = std::make_shared<TrainingRequest>();
  request->revision = kRevision;
  CLI::App* verb = app.add_subcommand("train", "Train a model (the default when --config is given)");
  verb->add_option("--config", request->config_file, "Configuration file (YAML); `vae_dist config` prints every key")->required();
  verb->add_flag("--dry-run", request->dry_run, "Check configuration, dataset and devices, print the start table, and leave");
  verb->add_option("overrides", request->overrides, "key=value: overrides a key of the configuration by its dotted name");
  verb->footer("Example:\n  vae_launch --np 2 -- --config configs/shapes.yaml train.epochs=3 run.name=short\n  mpirun -np 2 vae_dist train --config configs/shapes.yaml train.epochs=3 run.name=short");
  verb->callback([&context, request] {
    context.chosen = [&context, request] {
      request->errors_go_to = [&context](const std::string& directory) { context.report.set_directory(directory); };
      request->tell_failure = [&context](const std::exception& error, const std::string& details) { context.report.fail(error, details); };
      return run_training(*request, context.world);
    };
  });
}

}  // namespace vae_dist
