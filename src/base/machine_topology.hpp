// What lies beside what in this machine, as the kernel tells it in sysfs: cores and NUMA nodes, PCI
// devices and network cards.
//
// Everything is a function of a folder tree, /sys by default.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::base {

/// Cores that a process may run on ("/proc/self/status" of it); empty where it cannot be told.
std::vector<int> allowed_cores(const std::filesystem::path& status = "/proc/self/status");

/// The NUMA nodes that hold any of the cores, rising; empty where the kernel knows of none.
std::vector<int> numa_nodes_of(const std::vector<int>& cores,
                               const std::filesystem::path& sys = "/sys");

/// The NUMA node that a PCI device ("0000:1B:00.0", in either case) is attached to; nothing where
/// the machine has only one or does not say.
std::optional<int> numa_node_of_device(const std::string& bus_id,
                                       const std::filesystem::path& sys = "/sys");

/// The network card that shares most of its way to the processor with a PCI device: of InfiniBand's
/// and RoCE's that have an active port, or, where there are none, of the others that are up. Where
/// no card shares a root of the PCI tree with it, one of its NUMA node. Empty where there is none.
std::string nearest_network(const std::string& bus_id, const std::filesystem::path& sys = "/sys");

}  // namespace vae_dist::base
