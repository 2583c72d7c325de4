// What a verb reads and what it writes, as its options name it. One place judges all of it, between
// the command line and the verb's work.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace vae_dist::launcher {

/// A file is written only where none is, or where --overwrite says so; never onto a file that is
/// read, under whatever name. Verbs register their options here while they add them; check() looks
/// at those of the verb that was chosen.
class VerbFiles {
 public:
  VerbFiles() = default;
  VerbFiles(const VerbFiles&) = delete;
  VerbFiles& operator=(const VerbFiles&) = delete;
  /// Removes the folders that check() made, where nothing came into them.
  ~VerbFiles();

  /// An option (or, without dashes, an argument) for a file that the verb writes; an empty path is
  /// none. `path` outlives this object's check().
  CLI::Option* add_output(CLI::App& verb, const std::string& option, std::string& path,
                          const std::string& help);

  /// The same for paths that follow from several options. `option` names them in messages.
  using Paths = std::function<std::vector<std::string>()>;
  void add_outputs(CLI::App& verb, const std::string& option, Paths paths);

  /// What the verb reads: files, and the directories of checkpoints and runs, which stand for their
  /// files and for the data that their configuration names.
  void add_inputs(CLI::App& verb, Paths paths);

  /// Whether the chosen verb has anything to check().
  bool has_outputs() const;

  /// Makes the folders of the outputs. Throws BadInput: a folder that cannot be made or written, a
  /// file that is there without --overwrite, one that is no plain file, one that is read, one that
  /// two options name.
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

/// The data that a configuration names. A wrong one, or one of another version, names none: nobody
/// reads by it.
std::vector<std::string> data_files(const std::filesystem::path& config_file,
                                    const std::vector<std::string>& overrides = {});

/// The path that an option puts there.
inline VerbFiles::Paths path_of(const std::string& path) {
  return [&path] { return std::vector<std::string>{path}; };
}

}  // namespace vae_dist::launcher
