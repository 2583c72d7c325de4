// Reads and writes scalars as YAML does (the core schema of YAML 1.2), without a YAML parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vae_dist::config {

/// Reads true or false. Empty for any other text.
std::optional<bool> read_bool(std::string_view text);

/// Reads a decimal integer within 64 bits; 1e3 and 64.0 are not integers.
std::optional<std::int64_t> read_integer(std::string_view text);

/// Reads a finite decimal number, integer or not.
std::optional<double> read_number(std::string_view text);

/// Returns the fewest digits that read back to the same bits: 0.1, 1, 1.0e-08 (YAML 1.1 requires a
/// decimal point before an exponent).
std::string number_text(double value);

/// Returns `value` unchanged if YAML reads it as the same text, else in quotes.
std::string quoted_if_needed(const std::string& value);

/// Returns the words joined by `separator`.
std::string joined(const std::vector<std::string>& words, const std::string& separator);

}  // namespace vae_dist::config
