// Collects the files that a verb reads and writes, as named by its options, and checks them in one
// place before the verb runs.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace vae_dist::launcher {

/// Checks the files of the chosen verb. A file is written only if it does not exist yet, or if
/// --overwrite is given, and never onto a file that is read, under whatever name. Verbs register
/// their options here; check() considers only those of the chosen verb.
class VerbFiles {
 public:
  VerbFiles() = default;
  VerbFiles(const VerbFiles&) = delete;
  VerbFiles& operator=(const VerbFiles&) = delete;
  /// Removes the folders that check() created, if they are still empty.
  ~VerbFiles();

  /// Adds an option (or, without dashes, an argument) for a file that the verb writes; an empty
  /// path means none. `path` must stay valid until check() returns.
  CLI::Option* add_output(CLI::App& verb, const std::string& option, std::string& path,
                          const std::string& help);

  /// Registers output paths that are derived from several options. Messages name `option`.
  using Paths = std::function<std::vector<std::string>()>;
  void add_outputs(CLI::App& verb, const std::string& option, Paths paths);

  /// Registers what the verb reads: files, or directories of checkpoints and runs. A directory
  /// stands for its files and for the data that its configuration names.
  void add_inputs(CLI::App& verb, Paths paths);

  /// Returns whether the chosen verb has anything to check().
  bool has_outputs() const;

  /// Creates the folders of the outputs. Throws BadInput if a folder cannot be created or written,
  /// or if an output exists without --overwrite, is not a regular file, is also an input, or is
  /// named by two options.
  void check();

 private:
  struct Declared {
    CLI::App* verb;
    std::string option;
    Paths paths;
  };
  struct Output {
    std::string option;
    std::filesystem::path path;
  };

  std::vector<Output> outputs() const;
  void make_folder(const Output& output);
  void add_overwrite(CLI::App& verb);

  std::vector<Declared> outputs_, inputs_;
  bool overwrite_ = false;                   // --overwrite was given
  std::vector<std::filesystem::path> made_;  // outermost first
};

/// Returns the data files that a configuration names. Returns none for an invalid configuration or
/// one of another version, because no verb could read its data.
std::vector<std::string> data_files(const std::filesystem::path& config_file,
                                    const std::vector<std::string>& overrides = {});

/// Returns a function that yields the current value of `path`, which an option sets.
inline VerbFiles::Paths path_of(const std::string& path) {
  return [&path] { return std::vector<std::string>{path}; };
}

}  // namespace vae_dist::launcher
