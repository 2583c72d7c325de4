// Defines the directory of a run and the paths of the files in it.
#pragma once

#include <filesystem>
#include <string>

#include "config/config.hpp"

namespace vae_dist::run {

class RunDirectory {
 public:
  explicit RunDirectory(const config::RunConfig& run)
      : path_(std::filesystem::path(run.directory) / run.name) {}

  /// Creates the directories. Throws BadInput with the system's reason if they cannot be created or
  /// written.
  void create() const;

  /// Creates only the run directory itself. Returns the outermost directory that had to be created;
  /// empty if the run directory already existed. Throws like create().
  std::filesystem::path create_root() const;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path convolutions() const { return path_ / "convolutions.json"; }
  std::filesystem::path terms() const { return path_ / "terms.json"; }
  std::filesystem::path environment() const { return path_ / "environment.json"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path tensorboard() const { return path_ / "tensorboard"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path pictures() const { return path_ / "pictures"; }
  std::filesystem::path errors() const { return path_ / "errors"; }
  std::filesystem::path checkpoint_time() const { return path_ / "checkpoint_time.json"; }
  std::filesystem::path survivors() const { return path_ / "survivors"; }
  std::filesystem::path lock() const { return path_ / "lock.json"; }

 private:
  std::filesystem::path path_;
};

}  // namespace vae_dist::run
