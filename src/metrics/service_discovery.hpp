// Prometheus file-based service discovery: one JSON file a job with the real addresses of all its
// ranks (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config).
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

/// Where the file of a run is: <directory>/<run>.prometheus.json, beside the run's own folder; with
/// `user`, in a directory that several people share, <directory>/<user>-<run>.prometheus.json. What
/// is no UTF-8 is escaped (base/utf8.hpp): Prometheus has a label with the name of the file. Not
/// inside it: Prometheus allows `*` only in the last part of a path, so `runs/*.prometheus.json`
/// (configs/monitoring/prometheus.yml) finds every run and `runs/*/...` is refused.
std::filesystem::path service_discovery_path(const std::filesystem::path& directory,
                                             const std::string& run, const std::string& user = "");

/// The file while this object lives: written by rename at construction, removed by the destructor.
/// A file that cannot be written is a warning.
///
/// One group a rank. The label that a target gives its series is job="vae_dist" alone: `run`,
/// `host` and `rank` are on the series themselves (run_metrics.hpp), and a second `run` from the
/// target would turn those into exported_run. Run and rank of a target are told as
/// __meta_vae_dist_run and __meta_vae_dist_rank: Prometheus shows them on its targets page, a
/// relabelling rule may use them, and they are dropped before the scrape.
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
