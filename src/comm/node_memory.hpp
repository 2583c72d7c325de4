// Memory that the ranks of a node share: one copy, which every rank maps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// The ways in which the ranks of a node can access memory that one of them has created.
struct SharingWays {
  /// Tried first: through /proc/<process>/fd. Such memory has no name in any file system and is not
  /// limited by the size of /dev/shm (memfd). Containers with separate user namespaces may not have
  /// access.
  bool descriptor = true;
  /// Tried next, in turn: a file in one of these directories, removed as soon as all ranks have
  /// opened it. The directory must have room and be visible to all ranks.
  std::vector<std::filesystem::path> folders;
  /// False: the memory is not reserved when it is created. Its pages come into being when a rank
  /// first writes them, on the NUMA node of that rank, as those of a process's own memory do.
  bool reserve = true;
};

/// Returns the default: descriptors, then /dev/shm, then the directory for temporary files.
SharingWays default_sharing_ways();

/// Returns whether the ranks of this node can share `bytes` bytes. A collective of `node`; every
/// rank gets the same answer.
bool can_share_memory(CpuCommunicator& node, std::size_t bytes,
                      const SharingWays& ways = default_sharing_ways());

/// A block of memory that the ranks of a node share. It is filled with zeros and, unless
/// the ways say otherwise, reserved completely when it is created, so using it cannot fail. A rank
/// that is killed leaves nothing behind.
class NodeMemory {
 public:
  /// `node`: the ranks of this node (a single rank, threads or processes). `all`: the ranks of all
  /// nodes, which create their memory at the same time. Throws AgreedError on all of them if any
  /// node has too little memory or its ranks cannot share it. A collective of both.
  NodeMemory(CpuCommunicator& node, CpuCommunicator& all, std::size_t bytes,
             const SharingWays& ways = default_sharing_ways());
  ~NodeMemory();
  NodeMemory(const NodeMemory&) = delete;
  NodeMemory& operator=(const NodeMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

}  // namespace vae_dist::comm
