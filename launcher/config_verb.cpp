#include <iostream>
#include <memory>

#include "config/load_config.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist {

void add_config_verb(CLI::App& app, VerbContext& context) {
  struct Options {
    std::string file;
    std::vector<std::string> overrides;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("config", "Print every configuration key with its default and meaning, or a checked configuration");
  verb->add_option("--config", options->file, "Check this file and print it with every key filled in");
  verb->add_option("overrides", options->overrides, "key=value, with --config");
  verb->footer("Examples:\n  vae_dist config > my.yaml\n  vae_dist config --config configs/mnist.yaml train.global_batch=128");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      if (options->file.empty() && !options->overrides.empty()) throw BadInput("overrides need a file to apply to: add --config FILE");
      std::cout << (options->file.empty() ? default_config_yaml() : config_yaml(load_config(options->file, options->overrides), /*annotated=*/true));
    });
  });
}

}  // namespace vae_dist
