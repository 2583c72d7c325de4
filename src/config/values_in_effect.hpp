// The configuration as a list of names and values, for tables that compare runs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// Returns the dotted name and the value, as YAML, of every key that has an effect, in the order of
/// the documentation.
std::vector<std::pair<std::string, std::string>> values_in_effect(const Config& config);

}  // namespace vae_dist::config
