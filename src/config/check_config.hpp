// Checks values that already have the right type, each by itself and against each other. Does no
// I/O and knows no line numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/key_table.hpp"

namespace vae_dist::config {

/// Limits for keys that set no maximum of their own. Beyond them a run would overflow: sums and
/// products of counts have 64 bits, and their factors have 32 bits or the square root of the 64-bit
/// range.
constexpr std::int64_t kLargestCount = 1'000'000'000'000;
constexpr double kLargestNumber = 1e30;

/// Returns why the key's current value is not allowed (choices, range, number of entries), and what
/// is. Empty if the value is allowed.
std::string value_error(const base::Key& key);

struct Contradiction {
  std::vector<std::string> keys;
  std::string message;
};

/// Returns the first contradiction among the model, the objective and what the model sees of the
/// data (check_objective.cpp). Empty if there is none.
std::optional<Contradiction> find_contradiction_in_objective(const Config& config);

/// Returns the first contradiction in `config` that shows without the dataset and the number of
/// ranks.
std::optional<Contradiction> find_contradiction(const Config& config);

}  // namespace vae_dist::config
