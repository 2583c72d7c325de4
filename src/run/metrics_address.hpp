// Where a rank serves its numbers, and to whom.
#pragma once

#include <string>

#include "config/config.hpp"

namespace vae_dist::run {

/// What metrics.address comes to. `auto` is 127.0.0.1, which this machine alone can ask, as the
/// endpoint has no password; where the ranks are for a Prometheus elsewhere to ask, in a Slurm job
/// and on several hosts, it is 0.0.0.0.
std::string metrics_address(const config::MetricsConfig& config, bool several_hosts);

/// The host by which Prometheus asks a rank that serves on `address`: that, or `host` where it
/// serves on all of the machine's addresses.
std::string scrape_host(const std::string& address, const std::string& host);

/// What the start table says of it: "127.0.0.1, ports 19400 and up: this machine alone can ask
/// (metrics.address)".
std::string metrics_address_text(const config::MetricsConfig& config, bool several_hosts);

/// The number of the batch system's job that this process belongs to; empty: to none.
std::string batch_job();

}  // namespace vae_dist::run
