// Finds in the kernel's sysfs which cores, NUMA nodes, PCI devices and network cards of this
// machine are close to each other.
//
// All functions read a directory tree, by default /sys.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::base {

/// Returns the cores that a process may run on, given the path of its "/proc/self/status". Empty if
/// they cannot be read.
std::vector<int> allowed_cores(const std::filesystem::path& status = "/proc/self/status");

/// Returns the NUMA nodes that contain any of the cores, in ascending order. Empty if the kernel
/// reports none.
std::vector<int> numa_nodes_of(const std::vector<int>& cores,
                               const std::filesystem::path& sys = "/sys");

/// Returns the NUMA node that a PCI device ("0000:1B:00.0", in upper or lower case) is attached to,
/// or nothing if the machine has only one or does not report it.
std::optional<int> numa_node_of_device(const std::string& bus_id,
                                       const std::filesystem::path& sys = "/sys");

/// Returns the network card that is closest to a PCI device: the one that shares the longest path
/// from the root of the PCI tree. Considers InfiniBand and RoCE cards with an active port, or, if
/// there are none, the other cards that are up. If no card shares a PCI root with the device,
/// returns one on the same NUMA node. Empty if there is none.
std::string nearest_network(const std::string& bus_id, const std::filesystem::path& sys = "/sys");

}  // namespace vae_dist::base
