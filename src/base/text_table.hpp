// Prints names and values in two columns for the terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::base {

using TableRows = std::vector<std::pair<std::string, std::string>>;

/// Returns one line per row, with the names padded to the same width.
std::string format_table(const TableRows& rows);

}  // namespace vae_dist::base
