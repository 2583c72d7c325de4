#include <iostream>
#include <memory>

#include "config/config_schema.hpp"
#include "config/load_config.hpp"
#include "launcher/config_options.hpp"
#include "launcher/verbs.hpp"
#include "run/run_setup.hpp"

namespace vae_dist::launcher {

void add_config_verb(CLI::App& app, VerbContext& context) {
  struct Options {
    ConfigChoice choice;
    run::RunRequest run;
    std::vector<std::string> keys;
    bool schema = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "config",
      "Print every configuration key with its default and meaning, or a checked configuration");
  verb->add_option("--from", options->run.from,
                   "Print the configuration that `train --from` would use. Without --config, it is "
                   "that of this checkpoint, or of a run's newest checkpoint")
      ->type_name(completion::kFolder);
  add_config_options(*verb, context, options->choice,
                     "Check this file and print it with every key filled in");
  verb->add_option(
          "--key", options->keys,
          "Print only the value of this key, with --config; repeat it for more keys, one per line")
      ->allow_extra_args(false);
  verb->add_flag("--schema", options->schema,
                 "Print a JSON Schema of configurations instead, for editors");
  verb->footer(
      "Examples:\n  vae_dist config > my.yaml\n  vae_dist config --config configs/mnist.yaml "
      "train.global_batch=128\n"
      "  vae_dist config --config configs/mnist.yaml --key run.directory\n"
      "  vae_dist config --schema > configs/schema.json");
  verb->callback([&context, options] {
    take_config_file(options->choice, /*required=*/false);
    options->run.config_file = options->choice.file;
    options->run.overrides = options->choice.overrides;
    context.chosen = on_one_rank(context, [options] {
      if (options->schema) {
        if (!options->run.config_file.empty() || !options->run.from.empty() ||
            !options->run.overrides.empty() || !options->keys.empty())
          throw base::BadInput("--schema describes all configurations; give it alone");
        std::cout << config::config_schema();
        return;
      }
      const bool defaults = options->run.config_file.empty() && options->run.from.empty();
      if (defaults && !options->run.overrides.empty())
        throw base::BadInput("overrides need a configuration file to apply to: add --config FILE");
      if (defaults && !options->keys.empty())
        throw base::BadInput("--key prints the value of a key in a file: add --config FILE");
      if (!options->keys.empty()) {
        const config::Config config = run::requested_config(options->run);
        for (const std::string& key : options->keys)
          std::cout << config::config_value(config, key) << "\n";
        return;
      }
      std::cout << (defaults ? config::default_config_yaml()
                             : config::config_yaml(run::requested_config(options->run),
                                                   /*annotated=*/true));
    });
  });
}

}  // namespace vae_dist::launcher
