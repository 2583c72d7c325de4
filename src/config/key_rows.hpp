// The parts of the key table: one function per section, defined in the keys_*.cpp files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/key.hpp"
#include "base/registry.hpp"
#include "config/config.hpp"
#include "config/words.hpp"

namespace vae_dist::config {

/// Lists the registered networks that meet the condition: "decoder_only or resnet_vae".
std::string networks_where(const std::function<bool(const base::Network&)>& condition);

/// Describes the items that a list may have, each with its own keys and their defaults.
std::string items_help(const std::vector<const base::Item*>& items);

void add_run_keys(std::vector<base::Key>& keys, RunConfig& run);
void add_model_keys(std::vector<base::Key>& keys, ModelConfig& model);
void add_objective_keys(std::vector<base::Key>& keys, Config& config);
void add_data_keys(std::vector<base::Key>& keys, DataConfig& data);
void add_train_keys(std::vector<base::Key>& keys, Config& config);
void add_distributed_keys(std::vector<base::Key>& keys, DistributedConfig& distributed);
void add_outcome_keys(std::vector<base::Key>& keys, Config& config);

}  // namespace vae_dist::config
