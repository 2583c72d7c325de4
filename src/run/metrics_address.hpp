// Chooses the address on which a rank serves its metrics, which decides who can read them.
#pragma once

#include <string>

#include "config/config.hpp"

namespace vae_dist::run {

/// Resolves metrics.address. Because the endpoint has no password, `auto` is 127.0.0.1, which only
/// this machine can reach. In a Slurm job and on several hosts, where a remote Prometheus scrapes
/// the ranks, `auto` is 0.0.0.0.
std::string metrics_address(const config::MetricsConfig& config, bool several_hosts);

/// Returns the host name under which Prometheus scrapes a rank that serves on `address`: the
/// address itself, or `host` if the rank serves on all addresses of the machine.
std::string scrape_host(const std::string& address, const std::string& host);

/// Describes the address for the start table: "127.0.0.1, ports 19400 and up: reachable only from
/// this machine (metrics.address)".
std::string metrics_address_text(const config::MetricsConfig& config, bool several_hosts);

/// Returns the ID of the batch job that this process belongs to; empty if there is none.
std::string batch_job();

}  // namespace vae_dist::run
