// YAML as JSON, for readers that have no YAML (editors, Python's standard library, jq).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vae_dist::base {

/// Returns a YAML text as JSON with the same keys in the same order: numbers, true, false and null
/// as such, everything in quotes as text. JSON has no infinities: they remain words. Throws Failure
/// if the text is not YAML.
nlohmann::ordered_json json_of_yaml(const std::string& yaml);

}  // namespace vae_dist::base
