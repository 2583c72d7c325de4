#include <iostream>
#include <memory>

#include "completion/completion_script.hpp"
#include "launcher/command_line.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

void add_completion_verb(CLI::App& app, VerbContext& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand(
      "completion", "Print a script with which a shell completes verbs, options, keys and words");
  verb->add_option("shell", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  verb->footer(
      "Examples:\n  source <(vae_dist completion bash)\n  vae_dist completion bash > "
      "~/.local/share/bash-completion/completions/vae_dist\n  vae_dist completion zsh > "
      "\"${fpath[1]}/_vae_dist\"");
  verb->callback([&app, &context, shell] {
    context.chosen = on_one_rank(context, [&app, shell] {
      std::cout << completion::completion_script(app, kBeginTraining, *shell);
    });
  });
}

}  // namespace vae_dist::launcher
