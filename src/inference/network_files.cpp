#include "inference/network_files.hpp"

#include <any>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace vae_dist::inference {
namespace {

// Visits the keys of a foreign network that hold a file name, with the place of the run's copy.
// Keys of the same file have the same copy, under the name of the first.
void for_each_file(
    config::Config& config, const std::filesystem::path& run_directory,
    const std::function<void(std::string& file, const std::filesystem::path& kept)>& visit) {
  base::Chosen<base::Network>& chosen = config.model.network;
  const base::Network* const network = base::Registry<base::Network>::all().find(chosen.name);
  if (!network || !network->foreign_layers) return;
  std::map<std::string, std::string> first_key;
  for (const base::Key& key : base::own_keys_of(*network, chosen.own.of(*network))) {
    auto* const* const name = std::get_if<std::optional<std::string>*>(&key.slot);
    if (key.named != base::Named::file || !name || !**name) continue;
    std::string& file = ***name;
    visit(file, run_directory / "network" / first_key.emplace(file, key.name).first->second);
  }
}

}  // namespace

void keep_network_files(const config::Config& config, const std::filesystem::path& run_directory) {
  config::Config looked_at = config;
  std::error_code ignored;
  std::filesystem::remove_all(run_directory / "network", ignored);
  for_each_file(looked_at, run_directory, [](std::string& file, const std::filesystem::path& kept) {
    if (std::filesystem::exists(kept)) return;  // two keys name it
    try {
      std::filesystem::create_directories(kept.parent_path());
      base::replace_file(kept, base::read_file(file));
    } catch (const std::exception& error) {
      throw base::BadInput(
          base::text("the network ", file, " cannot be copied into the run: ", error.what()));
    }
  });
}

void use_kept_network_files(config::Config& config, const std::filesystem::path& run_directory) {
  for_each_file(config, run_directory, [](std::string& file, const std::filesystem::path& kept) {
    if (std::filesystem::exists(kept)) file = kept.string();
  });
}

}  // namespace vae_dist::inference
