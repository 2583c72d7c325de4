// Reads and writes configurations as YAML. Errors name the file, the line and the key.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// Reads `path` and applies `overrides` ("train.global_batch=512", in order). Throws BadInput,
/// naming the file, the line and the key, for: an unreadable file, YAML that does not parse, an
/// unknown key (with the nearest known one), a duplicate key, a wrong type, a value out of range, a
/// missing required key, keys that contradict each other, and a value that has no effect under the
/// others. (A key that an override makes ineffective returns to its default instead.) Anchors,
/// aliases and merge keys (<<) of YAML work. A top-level key that begins with "x-" only holds
/// anchors and is otherwise ignored. Paths are expanded (expand_paths()).
///
/// The top-level key `include` names another file, or a list of them, relative to the folder of the
/// file that says it. Their keys are read first and in order, so that a later file takes precedence
/// over an earlier one, the including file over all of them, and overrides over every file. A key
/// that such precedence makes ineffective returns to its default, as with overrides. Throws
/// BadInput, naming the including file and line, for a file that cannot be read and for files that
/// include each other in a circle.
Config load_config(const std::string& path, const std::vector<std::string>& overrides = {});

/// Returns `path` and the files that it includes, directly or not: all of them if load_config() can
/// read it, else those up to the first error.
std::vector<std::string> files_of_config(const std::string& path);

/// Parses YAML text without expanding paths; `name` stands for the file in messages. Text reads no
/// file: `include` is refused.
Config parse_config(const std::string& yaml, const std::string& name,
                    const std::vector<std::string>& overrides = {});

/// The configuration that a run has stored (kept_config_yaml()).
struct KeptConfig {
  Config config;
  std::vector<std::string>
      older_than;  ///< keys that have an effect but are newer than the run; they take the value
                   ///< that their rows state for older runs
};

/// Parses the configuration that a run has stored. `overrides` are applied after the keys missing
/// from it are filled in.
KeptConfig parse_kept_config(const std::string& yaml, const std::string& name,
                             const std::vector<std::string>& overrides = {});

/// Keeps an older run's values: copies the run's value for each key that is newer than the run,
/// unless `now` sets the key to something other than its default.
void keep_older_values(Config& now, const KeptConfig& saved);

/// Keeps what a run chose at its first start: copies the order of samples and the precision where
/// `now` leaves them to be chosen. Runs that stored no shuffling window shuffled all samples
/// together.
void keep_choices(Config& now, const Config& saved);

/// Returns `config` as YAML that parse_config() reads back to the same values: every key that has
/// an effect. With `annotated`, adds meanings as comments, and ineffective keys commented out.
std::string config_yaml(const Config& config, bool annotated = false);

/// Returns the YAML that a run stores: data files have absolute paths, so that they are found from
/// any working directory.
std::string kept_config_yaml(const Config& config);

/// Returns the value of the key with this dotted name, for scripts: text unquoted, everything else
/// as YAML. Throws BadInput if there is no such key.
std::string config_value(const Config& config, const std::string& name);

/// Returns the annotated defaults that `vae_dist config` prints: a valid configuration once the
/// required keys are filled in.
std::string default_config_yaml();

/// Returns one line for each key that differs between the two and that a resume may not change:
/// "train.global_batch: 64 in the run, 128 now". If distributed.replicas is null in `now`, the
/// run's value applies (and with batch_per_replica set, the run's G as well).
std::vector<std::string> forbidden_differences(const Config& saved, const Config& now);

}  // namespace vae_dist::config
