// The resolved configuration as JSON, for readers that have no YAML (Python's standard library,
// jq). The program itself reads config.yaml.
#pragma once

#include <string>

namespace vae_dist::checkpoint {

/// Returns the YAML text `yaml`, as config::kept_config_yaml() writes it, as JSON with the same
/// keys in the same order: numbers, true, false and null as such, everything quoted as text. Throws
/// Failure if the text is not YAML.
std::string config_json(const std::string& yaml);

}  // namespace vae_dist::checkpoint
