// Options of verbs that take a configuration: `--config FILE key=value ...`, or `FILE key=value
// ...`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

/// A configuration file and its overrides.
struct ConfigChoice {
  std::string file;
  std::vector<std::string> overrides;
  std::string device;  ///< from --device, a shorthand for distributed.device
};

/// Adds --config (or just the file name) and key=value. Call take_config_file() in the verb's
/// callback. `help` describes --config.
void add_config_options(CLI::App& verb, VerbContext& context, ConfigChoice& choice,
                        const std::string& help);

/// Adds --device, for verbs that take their device from the configuration.
void add_device_of_config(CLI::App& verb, ConfigChoice& choice);

/// Adds --device to the overrides. Without --config, the first word that is not a key=value names
/// the file. With `required`, throws CLI::RequiredError if no file is given.
void take_config_file(ConfigChoice& choice, bool required = true);

}  // namespace vae_dist::launcher
