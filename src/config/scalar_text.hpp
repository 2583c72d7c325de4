// Scalars as YAML writes them (the core schema of YAML 1.2), both ways, without a parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vae_dist::config {

/// true or false.
std::optional<bool> read_bool(std::string_view text);

/// A whole decimal number within 64 bits; 1e3 and 64.0 are none.
std::optional<std::int64_t> read_integer(std::string_view text);

/// A finite decimal number, whole or not.
std::optional<double> read_number(std::string_view text);

/// The fewest digits that read back to the same bits: 0.1, 1, 1.0e-08 (YAML 1.1 wants the point in
/// front of an exponent).
std::string number_text(double value);

/// `value` as it is where YAML reads it as that very text, else between quotes.
std::string quoted_if_needed(const std::string& value);

/// The words with `separator` between them.
std::string joined(const std::vector<std::string>& words, const std::string& separator);

}  // namespace vae_dist::config
