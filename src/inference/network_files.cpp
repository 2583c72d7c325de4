#include "inference/network_files.hpp"

#include <any>
#include <functional>
#include <map>
#include <optional>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "checkpoint/manifest.hpp"
#include "config/load_config.hpp"

namespace vae_dist::inference {
namespace {

// A checkpoint lies in <run>/checkpoints/<step>. Its path may be a link, and so may `checkpoints`.
std::filesystem::path run_of(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  std::filesystem::path written = std::filesystem::absolute(checkpoint).lexically_normal();
  if (!written.has_filename()) written = written.parent_path();
  std::filesystem::path run = written.parent_path().parent_path();
  if (std::filesystem::exists(run / "network", ignored)) return run;
  return std::filesystem::weakly_canonical(written).parent_path().parent_path();
}

struct NetworkFile {
  std::string key;             ///< "model.encoder"
  std::string& name;           ///< in the configuration
  std::filesystem::path kept;  ///< where the run keeps its copy
  std::string what = "network";
};

// Visits the keys of a foreign network and of a loss that hold a file name. Keys of the network
// with the same file have the same copy, under the name of the first.
void for_each_file(config::Config& config, const std::filesystem::path& run_directory,
                   const std::function<void(const NetworkFile&)>& visit) {
  if (config.objective.name == config::ObjectiveName::script && config.objective.script)
    visit(
        {"objective.script", *config.objective.script, run_directory / "network" / "loss", "loss"});
  base::Chosen<base::Network>& chosen = config.model.network;
  const base::Network* const network = base::Registry<base::Network>::all().find(chosen.name);
  if (!network || !network->foreign_layers) return;
  std::map<std::string, std::string> first_key;
  for (const base::Key& key : base::own_keys_of(*network, chosen.own.of(*network))) {
    auto* const* const name = std::get_if<std::optional<std::string>*>(&key.slot);
    if (key.named != base::Named::file || !name || !**name) continue;
    std::string& file = ***name;
    visit({"model." + key.name, file,
           run_directory / "network" / first_key.emplace(file, key.name).first->second});
  }
}

std::string sum_of(const std::filesystem::path& file) {
  return checkpoint::describe_file(base::read_file(file)).sha256;
}

bool is_same_file(const std::filesystem::path& file, const std::filesystem::path& other) {
  std::error_code error;
  return std::filesystem::equivalent(file, other, error);
}

// `original`: the name of the file that the run began with.
[[noreturn]] void refuse_changed(const NetworkFile& file, const std::string& original,
                                 const std::string& sum) {
  const bool is_copy = is_same_file(file.name, file.kept);
  std::error_code ignored;
  const bool is_original_there = is_copy && !is_same_file(original, file.kept) &&
                                 std::filesystem::is_regular_file(original, ignored) &&
                                 sum_of(original) == sum;
  throw base::BadInput(
      base::text(file.name, is_copy ? ", the run's copy of " : " (", file.key, is_copy ? "," : ")",
                 " was changed after the run began: it is another ", file.what,
                 " than the one that the weights were trained with. ",
                 is_original_there
                     ? base::text("Copy ", original, " over it, which is still the same as then.")
                     : base::text("Put the file back whose SHA-256 is ", sum,
                                  ", or begin a new run with these weights and another ", file.what,
                                  ": vae_dist train --from RUN ", file.key, "=FILE run.name=NEW")));
}

// Returns a sentence for each file that is there, but is not the one of its sum. `which`: what it
// should have been the one that ...
std::vector<std::string> told_of_others(
    const config::Config& config, const std::filesystem::path& checkpoint,
    const checkpoint::FileSums& sums, const std::function<std::string(const NetworkFile&)>& which) {
  config::Config looked_at = config;
  std::vector<std::string> told;
  for_each_file(looked_at, run_of(checkpoint), [&](const NetworkFile& file) {
    const auto sum = sums.find(file.key);
    std::error_code ignored;
    if (sum == sums.end() || !std::filesystem::is_regular_file(file.name, ignored) ||
        sum_of(file.name) == sum->second)
      return;
    told.push_back(base::text(file.key, " is ", file.name, ", which is another ", file.what,
                              " than the one that ", which(file)));
  });
  return told;
}

}  // namespace

checkpoint::FileSums keep_network_files(const config::Config& config,
                                        const std::filesystem::path& run_directory) {
  config::Config looked_at = config;
  checkpoint::FileSums sums;
  // All are read before the earlier copies go, because a file may be one of them.
  std::map<std::filesystem::path, std::pair<std::string, std::string>> copies;  // name and content
  const auto cannot = [](const std::string& name, const std::exception& error) {
    return base::BadInput(
        base::text("the script ", name, " cannot be copied into the run: ", error.what()));
  };
  for_each_file(looked_at, run_directory, [&](const NetworkFile& file) {
    auto& [name, content] = copies[file.kept];
    if (name.empty()) try {
        content = base::read_file(file.name);
        name = file.name;
      } catch (const std::exception& error) {
        throw cannot(file.name, error);
      }
    sums[file.key] = checkpoint::describe_file(content).sha256;
  });
  std::error_code ignored;
  std::filesystem::remove_all(run_directory / "network", ignored);
  for (const auto& [kept, copy] : copies) try {
      std::filesystem::create_directories(kept.parent_path());
      base::replace_file(kept, copy.second);
    } catch (const std::exception& error) {
      throw cannot(copy.first, error);
    }
  return sums;
}

void name_kept_network_files(config::Config& config, const std::filesystem::path& checkpoint) {
  for_each_file(config, run_of(checkpoint), [&](const NetworkFile& file) {
    std::error_code ignored;
    if (std::filesystem::exists(file.kept, ignored)) file.name = file.kept.string();
  });
}

std::string yaml_of_kept_network_files(const std::string& yaml, const std::string& name,
                                       const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  if (!std::filesystem::exists(run_of(checkpoint) / "network", ignored)) return yaml;
  config::Config config = config::parse_kept_config(yaml, name).config;
  name_kept_network_files(config, checkpoint);
  return config::config_yaml(config);
}

void use_kept_network_files(config::Config& config, const std::filesystem::path& checkpoint,
                            const checkpoint::FileSums& sums) {
  std::map<std::string, std::string> originals;
  for_each_file(config, run_of(checkpoint),
                [&](const NetworkFile& file) { originals[file.key] = file.name; });
  name_kept_network_files(config, checkpoint);
  for_each_file(config, run_of(checkpoint), [&](const NetworkFile& file) {
    const auto sum = sums.find(file.key);
    std::error_code ignored;
    // Whoever opens a file reports that there is none.
    if (sum == sums.end() || !std::filesystem::exists(file.name, ignored)) return;
    if (sum_of(file.name) != sum->second) refuse_changed(file, originals[file.key], sum->second);
  });
}

checkpoint::FileSums sums_of_network_files(const config::Config& config) {
  config::Config looked_at = config;
  checkpoint::FileSums sums;
  for_each_file(looked_at, {}, [&](const NetworkFile& file) {
    try {
      sums[file.key] = sum_of(file.name);
    } catch (const std::exception& error) {
      throw base::BadInput(base::text(
          file.key, ": ", file.name,
          " cannot be read (a relative path begins in the folder that the program is started in): ",
          error.what()));
    }
  });
  return sums;
}

std::vector<std::string> told_of_unused_network_files(const config::Config& config,
                                                      const std::filesystem::path& checkpoint,
                                                      const checkpoint::FileSums& sums) {
  return told_of_others(config, checkpoint, sums, [](const NetworkFile&) {
    return std::string(
        "this run began with: it goes on with the copy that it keeps. vae_dist train --from begins "
        "a run with another one");
  });
}

std::vector<std::string> told_of_other_network_files(const config::Config& config,
                                                     const std::filesystem::path& checkpoint,
                                                     const checkpoint::FileSums& sums) {
  return told_of_others(config, checkpoint, sums, [&](const NetworkFile& file) {
    if (is_same_file(file.name, file.kept)) refuse_changed(file, file.name, sums.at(file.key));
    return base::text(checkpoint.string(), " was trained with",
                      file.what == "network" ? ": its weights are taken over by their names" : "");
  });
}

}  // namespace vae_dist::inference
