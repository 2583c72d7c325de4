// Memory that the ranks of a node share: one copy, which each of them maps.
#pragma once

#include <cstddef>

#include "comm/communicator.hpp"

namespace vae_dist {

/// Zeros at first. It has no name in any file system and is not limited by the size of /dev/shm (memfd): nothing is left behind by a rank that is
/// killed. All of it is reserved when it is made, so that using it cannot fail.
class NodeMemory {
 public:
  /// node: the ranks of this node (one rank, threads, processes). all: the ranks of all nodes, each of which makes memory of its own now. Throws
  /// AgreedError on all of them when any node has not enough memory. A collective of both.
  NodeMemory(Communicator& node, Communicator& all, std::size_t bytes);
  ~NodeMemory();
  NodeMemory(const NodeMemory&) = delete;
  NodeMemory& operator=(const NodeMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

}  // namespace vae_dist
