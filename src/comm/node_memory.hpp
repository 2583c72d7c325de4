// Memory that the ranks of a node share: one copy, which each of them maps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::comm {

/// By what the ranks of a node come to the memory that one of them has made.
struct SharingWays {
  /// First: through /proc/<process>/fd. Such memory has no name in any file system and is not
  /// limited by the size of /dev/shm (memfd). Containers in user namespaces of their own may not
  /// look there.
  bool descriptor = true;
  /// Then, in turn: a file here, removed as soon as all have opened it. Folders that all see, with
  /// room.
  std::vector<std::filesystem::path> folders;
};

/// /dev/shm, then the folder for temporary files.
SharingWays usual_sharing_ways();

/// Whether the ranks of this node can share so many bytes. A collective of `node`; every rank has
/// the same answer.
bool can_share_memory(HostCommunicator& node, std::size_t bytes,
                      const SharingWays& ways = usual_sharing_ways());

/// Zeros at first. Nothing is left behind by a rank that is killed. All of it is reserved when it
/// is made, so that using it cannot fail.
class NodeMemory {
 public:
  /// node: the ranks of this node (one rank, threads, processes). all: the ranks of all nodes, each
  /// of which makes memory of its own now. Throws AgreedError on all of them when any node has not
  /// enough memory, or its ranks cannot share it. A collective of both.
  NodeMemory(HostCommunicator& node, HostCommunicator& all, std::size_t bytes,
             const SharingWays& ways = usual_sharing_ways());
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
