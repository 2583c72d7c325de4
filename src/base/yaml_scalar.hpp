// Reads scalars as the core schema of YAML 1.2 does, without a YAML parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vae_dist::base {

/// Reads true or false. Empty for any other text.
std::optional<bool> read_bool(std::string_view text);

/// Reads a decimal integer within 64 bits; 1e3 and 64.0 are not integers.
std::optional<std::int64_t> read_integer(std::string_view text);

/// Reads a finite decimal number, integer or not.
std::optional<double> read_number(std::string_view text);

}  // namespace vae_dist::base
