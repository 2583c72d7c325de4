// The options of verbs that take a configuration: `--config FILE key=value ...`, or `FILE key=value
// ...`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

/// A configuration's file and what overrides it.
struct ConfigChoice {
  std::string file;
  std::vector<std::string> overrides;
  std::string device;  ///< of --device: another way to write distributed.device
};

/// --config (or the file's name alone) and key=value. Call take_config_file() in the verb's
/// callback. `help`: of --config.
void add_config_options(CLI::App& verb, VerbContext& context, ConfigChoice& choice,
                        const std::string& help);

/// --device, for verbs that compute by the configuration.
void add_device_of_config(CLI::App& verb, ConfigChoice& choice);

/// Adds --device to the overrides. The first word that is no key=value names the file where
/// --config does not. With `required`, throws CLI::RequiredError where neither does.
void take_config_file(ConfigChoice& choice, bool required = true);

}  // namespace vae_dist::launcher
