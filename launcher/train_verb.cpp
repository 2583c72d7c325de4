#include <memory>
#include <mutex>

#include "comm/nccl_communicator.hpp"
#include "launcher/verbs.hpp"
#include "train/training_run.hpp"

namespace vae_dist {

void add_train_verb(CLI::App& app, VerbContext& context) {
  auto request = std::make_shared<TrainingRequest>();
  CLI::App* verb = app.add_subcommand("train", "Train a model (the default when --config is given)");
  verb->add_option("--config", request->config_file, "Configuration file (YAML); `vae_dist config` prints every key")->required();
  verb->add_flag("--dry-run", request->dry_run, "Check configuration, dataset and devices, print the start table, and leave");
  verb->add_option("overrides", request->overrides, "key=value: overrides a key of the configuration by its dotted name");
  verb->footer("Example:\n  mpirun -np 2 vae_dist train --config configs/shapes.yaml train.epochs=3 run.name=short");
  verb->callback([&context, request] {
    context.chosen = [&context, request] {
      request->errors_go_to = [&context](const std::string& directory) { context.report.set_directory(directory); };
      // Once: what fails in another thread while this goes on is its consequence.
      request->end_all_ranks = [&context, once = std::make_shared<std::once_flag>()](const std::exception& error) {
        std::call_once(*once, [&] {
          context.report.fail(error);
          abort_nccl_communicators();
          context.world.abort(exit_code(error));
        });
      };
      return run_training(*request, context.world);
    };
  });
}

}  // namespace vae_dist
