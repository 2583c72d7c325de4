#include "metrics/service_discovery.hpp"

#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"

namespace vae_dist::metrics {
namespace {

std::string target_address(const ScrapeTarget& target) {
  const bool ipv6 = target.host.find(':') != std::string::npos && target.host.front() != '[';
  return ipv6 ? base::text("[", target.host, "]:", target.port)
              : base::text(target.host, ":", target.port);
}

}  // namespace

std::filesystem::path service_discovery_path(const std::filesystem::path& directory,
                                             const std::string& run, const std::string& user) {
  return directory /
         base::utf8_text(base::text(user, user.empty() ? "" : "-", run, ".prometheus.json"));
}

ServiceDiscoveryFile::ServiceDiscoveryFile(std::filesystem::path path, const std::string& run,
                                           const std::vector<ScrapeTarget>& targets)
    : path_(std::move(path)) {
  auto groups = nlohmann::ordered_json::array();
  for (const ScrapeTarget& target : targets) {
    groups.push_back({{"targets", {target_address(target)}},
                      {"labels",
                       {{"job", "vae_dist"},
                        {"__meta_vae_dist_run", run},
                        {"__meta_vae_dist_rank", std::to_string(target.rank)}}}});
  }
  try {
    base::replace_file(path_, base::json_text(groups, 2) + "\n");
  } catch (const std::exception& error) {
    log::warn(
        base::text("metrics: Prometheus will not discover this run automatically: ", error.what()));
  }
}

ServiceDiscoveryFile::~ServiceDiscoveryFile() {
  std::error_code ignored;  // a leftover file names ports on which nothing answers: Prometheus
                            // shows them as down
  std::filesystem::remove(path_, ignored);
}

}  // namespace vae_dist::metrics
