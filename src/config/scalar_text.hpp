// Writes scalars as YAML reads them (the core schema of YAML 1.2: base/yaml_scalar.hpp).
#pragma once

#include <string>
#include <vector>

namespace vae_dist::config {

/// Returns the fewest digits that read back to the same bits: 0.1, 1, 1.0e-08 (YAML 1.1 requires a
/// decimal point before an exponent).
std::string number_text(double value);

/// Returns `value` unchanged if YAML reads it as the same text, else in quotes.
std::string quoted_if_needed(const std::string& value);

/// Returns the words joined by `separator`.
std::string joined(const std::vector<std::string>& words, const std::string& separator);

}  // namespace vae_dist::config
