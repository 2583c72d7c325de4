// The series of a rank as a file for the textfile collector of node_exporter, for nodes that
// Prometheus cannot scrape
// (https://github.com/prometheus/node_exporter#textfile-collector).
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace vae_dist::metrics {

/// Returns <directory>/vae_dist-<user>-<run>-rank<rank>.prom. Bytes that are not UTF-8 are escaped
/// (base/utf8.hpp).
std::filesystem::path textfile_path(const std::filesystem::path& directory, const std::string& user,
                                    const std::string& run, int rank);

/// Keeps the file up to date while this object lives. A reader sees the old file or the new one,
/// never a part of it; node_exporter ignores the temporary file, whose name does not end in .prom.
class Textfile {
 public:
  /// Writes the file now, and then again every `interval` from a thread of low priority. If it
  /// cannot be written, warns once and tries again each time.
  Textfile(std::filesystem::path path, std::vector<std::shared_ptr<prometheus::Collectable>> series,
           base::Seconds interval = base::Seconds(10));

  /// Removes the file.
  ~Textfile();
  Textfile(const Textfile&) = delete;
  Textfile& operator=(const Textfile&) = delete;

 private:
  void write();

  std::filesystem::path path_;
  std::vector<std::shared_ptr<prometheus::Collectable>> series_;
  bool failed_ = false;
  std::mutex mutex_;
  std::condition_variable_any wakes_;
  std::jthread writer_;
};

}  // namespace vae_dist::metrics
