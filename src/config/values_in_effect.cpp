#include "config/values_in_effect.hpp"

#include "config/key_table.hpp"

namespace vae_dist::config {

std::vector<std::pair<std::string, std::string>> values_in_effect(const Config& config) {
  Config copy = config;
  std::vector<std::pair<std::string, std::string>> out;
  for (const base::Key& key : key_table(copy))
    if (base::counts(key)) out.emplace_back(key.name, value_text(key));
  return out;
}

}  // namespace vae_dist::config
