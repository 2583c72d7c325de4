#include "run/metrics_address.hpp"

#include <cstdlib>

#include "base/text.hpp"

namespace vae_dist::run {
namespace {

bool is_everywhere(const std::string& address) {
  return address == "0.0.0.0" || address == "::" || address == "[::]";
}

bool is_this_machine_alone(const std::string& address) {
  return address.starts_with("127.") || address == "localhost" || address == "::1" ||
         address == "[::1]";
}

}  // namespace

std::string metrics_address(const config::MetricsConfig& config, bool several_hosts) {
  if (config.address) return *config.address;
  return several_hosts || std::getenv("SLURM_JOB_ID") != nullptr ? "0.0.0.0" : "127.0.0.1";
}

std::string scrape_host(const std::string& address, const std::string& host) {
  return is_everywhere(address) ? host : address;
}

std::string metrics_address_text(const config::MetricsConfig& config, bool several_hosts) {
  if (!config.port) return "none (metrics.port)";
  const std::string address = metrics_address(config, several_hosts);
  return base::text(
      address,
      *config.port == 0 ? ", any free ports" : base::text(", ports ", *config.port, " and up"),
      ": ",
      is_this_machine_alone(address) ? "reachable only from this machine"
      : is_everywhere(address)       ? "open to anyone who can reach this machine"
                                     : "open to anyone who can reach this address",
      " (metrics.address)");
}

std::string batch_job() {
  for (const char* const name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"})
    if (const char* const id = std::getenv(name)) return id;
  return "";
}

}  // namespace vae_dist::run
