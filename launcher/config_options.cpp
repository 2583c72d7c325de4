#include "launcher/config_options.hpp"

#include <algorithm>

#include "config/load_config.hpp"

namespace vae_dist::launcher {

void add_config_options(CLI::App& verb, VerbContext& context, ConfigChoice& choice,
                        const std::string& help) {
  verb.add_option("--config", choice.file, help)->type_name(completion::kFile);
  verb.add_option("overrides", choice.overrides,
                  "key=value: overrides a key of the configuration by its dotted name. A word "
                  "without = names the configuration file, like --config")
      ->type_name(completion::kKeyValue);
  context.files.add_inputs(verb, [&choice] {
    std::vector<std::string> read = data_files(choice.file, choice.overrides);
    for (const std::string& file : config::files_of_config(choice.file)) read.push_back(file);
    return read;
  });
}

void add_device_of_config(CLI::App& verb, ConfigChoice& choice) {
  verb.add_option("--device", choice.device,
                  "Overrides distributed.device; auto uses a GPU if there is one")
      ->check(CLI::IsMember({"auto", "cuda", "cpu"}));
}

void take_config_file(ConfigChoice& choice, bool required) {
  if (!choice.device.empty()) choice.overrides.push_back("distributed.device=" + choice.device);
  if (!choice.file.empty()) return;
  const auto word =
      std::find_if(choice.overrides.begin(), choice.overrides.end(),
                   [](const std::string& given) { return given.find('=') == std::string::npos; });
  if (word == choice.overrides.end()) {
    if (required) throw CLI::RequiredError("--config, or the name of a configuration file,");
    return;
  }
  choice.file = *word;
  choice.overrides.erase(word);
}

}  // namespace vae_dist::launcher
