// What can be wrong with values that have the right type: one by one, and together. Pure: no file,
// no line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/key_table.hpp"

namespace vae_dist::config {

/// Why the key's present value may not stand (choices, range, number of entries), and what may.
/// Empty: it may.
std::string complaint_about(const base::Key& key);

/// Keys that contradict each other, and how.
struct Contradiction {
  std::vector<std::string> keys;
  std::string message;
};

/// The first contradiction among model, objective and what the model sees of the data
/// (check_objective.cpp); empty: none.
std::optional<Contradiction> find_contradiction_in_objective(const Config& config);

/// The first contradiction in `config` that shows without the dataset and the number of ranks.
std::optional<Contradiction> find_contradiction(const Config& config);

}  // namespace vae_dist::config
