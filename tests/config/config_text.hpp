// Small configurations for the tests of config.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/key_table.hpp"
#include "config/load_config.hpp"

namespace vae_dist::config {

/// The required keys on lines 1 to 4; what a test adds starts on line 5.
inline std::string with_required(const std::string& more = "") {
  return "run:\n  name: first\ndata:\n  train: {file: a.h5}\n" + more;
}

inline Config parse(const std::string& more = "", const std::vector<std::string>& overrides = {}) {
  return parse_config(with_required(more), "big.yaml", overrides);
}

/// Returns the error that parsing throws; empty if it succeeds.
inline std::string complaint(const std::string& yaml,
                             const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(yaml, "big.yaml", overrides);
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "";
}

/// The same for a configuration in which `more` follows the required keys, from line 5.
inline std::string complaint_of(const std::string& more,
                                const std::vector<std::string>& overrides = {}) {
  return complaint(with_required(more), overrides);
}

/// Every key's value as "name: text".
inline std::vector<std::string> values(Config config) {
  std::vector<std::string> out;
  for (const base::Key& key : key_table(config)) out.push_back(key.name + ": " + value_text(key));
  return out;
}

}  // namespace vae_dist::config
