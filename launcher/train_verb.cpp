#include <memory>

#include "launcher/build_id.hpp"
#include "launcher/config_options.hpp"
#include "launcher/revision.hpp"
#include "launcher/verbs.hpp"
#include "train/training_run.hpp"

namespace vae_dist::launcher {

void add_train_verb(CLI::App& app, VerbContext& context) {
  auto request = std::make_shared<train::TrainingRequest>();
  request->program = {build_id(), kRevision};
  CLI::App* verb =
      app.add_subcommand("train", "Train a model (the default when --config is given)");
  auto config = std::make_shared<ConfigChoice>();
  verb->add_option("--from", request->run.from,
                   "Begin a new run at step 0 with the weights of this checkpoint (or of a run's "
                   "newest), and "
                   "with its optimizer state if that fits. Without --config, also use its "
                   "configuration. When "
                   "started again, the new run continues from its own checkpoints")
      ->type_name(completion::kFolder);
  verb->add_flag("--dry-run", request->dry_run,
                 "Check configuration, dataset and devices, print the start table, and exit");
  add_config_options(*verb, context, *config,
                     "Configuration file (YAML); `vae_dist config` prints every key");
  add_device_of_config(*verb, *config);
  verb->footer(
      "Examples:\n  vae_launch --np 2 -- --config configs/shapes.yaml train.epochs=3 "
      "run.name=short\n  mpirun -np 2 vae_dist train --config configs/shapes.yaml train.epochs=3 "
      "run.name=short\n"
      "  mpirun -np 2 vae_dist train --from runs/short run.name=fork "
      "train.optimizer.learning_rate=1e-4");
  verb->callback([&context, request, config] {
    take_config_file(*config, /*required=*/request->run.from.empty());
    request->run.config_file = config->file;
    request->run.overrides = config->overrides;
    context.chosen = [&context, request] {
      request->write_errors_to = [&context](const std::string& directory) {
        context.report.set_directory(directory);
      };
      request->tell_failure = [&context](const std::exception& error, const std::string& details) {
        context.report.fail(error, details);
      };
      return train::run_training(*request, context.world);
    };
  });
}

}  // namespace vae_dist::launcher
