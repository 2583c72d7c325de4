// Writes the scripts with which a shell completes command lines of vae_dist: verbs, options, files,
// keys of the configuration and the words that they take. Everything in them comes from the parsed
// description of the command line and from the table of keys.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vae_dist::completion {

/// The types of options and arguments, as --help shows them, by which a shell knows what to offer.
inline constexpr const char* kFile = "FILE";
inline constexpr const char* kFolder = "DIR";
inline constexpr const char* kKeyValue = "KEY=VALUE";

/// Returns the script for `shell`: bash (4.3 or later) or zsh. Offers the verbs of `app` and of its
/// groups; their options; files and folders for options of type kFile and kFolder; words for
/// options that are checked by CLI::IsMember; and for arguments of type kKeyValue every key of the
/// configuration, and behind the key its words. `begin_training`: options with which a command line
/// begins that has no verb and trains.
std::string completion_script(const CLI::App& app, const std::vector<std::string>& begin_training,
                              const std::string& shell);

}  // namespace vae_dist::completion
