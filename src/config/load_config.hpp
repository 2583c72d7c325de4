// YAML to Config: typed, range-checked, with the file, the line and the key in every complaint.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// Reads `path` and applies `overrides` ("train.global_batch=512", in order). Throws BadInput
/// naming file, line and key for: an unreadable file, YAML that does not parse, an unknown key
/// (with the nearest known one), a duplicate key, a wrong type, a value out of range, a required
/// key that is missing, keys that contradict each other, and a value that has no effect under the
/// others. (What an override takes out of effect goes back to its default instead.) YAML's anchors,
/// aliases and merge keys (<<) work; a top-level key that begins with "x-" holds what they refer to
/// and means nothing else. Paths are expanded (expand_paths()).
Config load_config(const std::string& path, const std::vector<std::string>& overrides = {});

/// The same from text; `name` stands for the file in messages.
Config parse_config(const std::string& yaml, const std::string& name,
                    const std::vector<std::string>& overrides = {});

/// What a run keeps (kept_config_yaml()).
struct KeptConfig {
  Config config;
  std::vector<std::string>
      older_than;  ///< keys with an effect that it lacks, as there were none of them when it was
                   ///< begun: they have the value that their rows state for such runs
};

/// The same of what a run keeps; `overrides` come behind the values of keys that it lacks.
KeptConfig parse_kept_config(const std::string& yaml, const std::string& name,
                             const std::vector<std::string>& overrides = {});

/// A run that is older than a key goes on with the run's value where `now` has the default, as its
/// file knows nothing of the key either.
void go_on_with_older_values(Config& now, const KeptConfig& saved);

/// `config` as YAML that parse_config reads back to the same values: every key that has an effect.
/// `annotated`: each with its meaning as a comment, the others commented out.
std::string config_yaml(const Config& config, bool annotated = false);

/// The same as a run keeps it: with its data by absolute path, so that it is found from wherever
/// the run is looked at later.
std::string kept_config_yaml(const Config& config);

/// The value of one key, by its dotted name, for scripts: text as it is, everything else as YAML
/// writes it. Throws BadInput when there is no such key.
std::string config_value(const Config& config, const std::string& name);

/// The annotated defaults that `vae_dist config` prints: a valid configuration once the required
/// keys are filled in.
std::string default_config_yaml();

/// One line for each key on which the two differ and which a resume may not change:
/// "train.global_batch: 64 in the run, 128 now". `now` may leave distributed.replicas null (and
/// with it G = batch_per_replica * R open): the run's stays.
std::vector<std::string> forbidden_differences(const Config& saved, const Config& now);

}  // namespace vae_dist::config
