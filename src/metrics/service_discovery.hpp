// Prometheus file-based service discovery: one JSON file per job with the actual addresses of all
// its ranks
// (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vae_dist::metrics {

struct ScrapeTarget {
  std::string host;
  int port = 0;
  int rank = 0;
};

/// Returns the path of a run's file: <directory>/<run>.prometheus.json, beside the folder of the
/// run. With `user`, for a directory that several people share:
/// <directory>/<user>-<run>.prometheus.json. Bytes that are not UTF-8 are escaped (base/utf8.hpp)
/// because Prometheus puts the file name in a label. The file is not inside the folder of the run:
/// Prometheus allows `*` only in the last part of a path, so it accepts `runs/*.prometheus.json`
/// (configs/monitoring/prometheus.yml) but rejects `runs/*/...`.
std::filesystem::path service_discovery_path(const std::filesystem::path& directory,
                                             const std::string& run, const std::string& user = "");

/// Keeps the file while this object lives: the constructor writes it by rename, the destructor
/// removes it. If it cannot be written, logs a warning.
///
/// There is one group per rank. The target adds only the label job="vae_dist" to its series: `run`,
/// `host` and `rank` are on the series themselves (run_metrics.hpp), and a second `run` from the
/// target would turn those into exported_run. A target's run and rank are given as
/// __meta_vae_dist_run and __meta_vae_dist_rank: Prometheus shows them on its targets page, a
/// relabelling rule may use them, and Prometheus drops them before the scrape.
class ServiceDiscoveryFile {
 public:
  ServiceDiscoveryFile(std::filesystem::path path, const std::string& run,
                       const std::vector<ScrapeTarget>& targets);
  ~ServiceDiscoveryFile();
  ServiceDiscoveryFile(const ServiceDiscoveryFile&) = delete;
  ServiceDiscoveryFile& operator=(const ServiceDiscoveryFile&) = delete;

 private:
  std::filesystem::path path_;
};

}  // namespace vae_dist::metrics
