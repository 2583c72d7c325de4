#include "data/batch_memory.hpp"

#include <map>
#include <mutex>

namespace vae_dist::data {
namespace {

class FreeBlocks {
 public:
  std::unique_ptr<std::byte[]> take(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (auto node = blocks_.extract(bytes)) return std::move(node.mapped());
    }
    return std::make_unique_for_overwrite<std::byte[]>(bytes);
  }

  void put(std::size_t bytes, std::byte* block) {
    const std::lock_guard lock(mutex_);
    blocks_.emplace(bytes, block);
  }

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, std::unique_ptr<std::byte[]>> blocks_;
};

}  // namespace

BatchMemory plain_batch_memory() {
  return [blocks = std::make_shared<FreeBlocks>()](std::size_t bytes) {
    std::byte* const data = blocks->take(bytes).release();
    return MemoryBlock{data, std::shared_ptr<void>(data, [blocks, bytes](void* block) {
                         blocks->put(bytes, static_cast<std::byte*>(block));
                       })};
  };
}

}  // namespace vae_dist::data
