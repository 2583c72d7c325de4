// Memory for the images and the noise of a batch. The code that copies them to the device provides
// it, because it may have better memory for that (pinned).
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace vae_dist::data {

struct MemoryBlock {
  std::byte* data = nullptr;    ///< aligned for any number; not initialised
  std::shared_ptr<void> owner;  ///< the memory is released with the last copy of this pointer
};

/// Provides `bytes` bytes. Called by the loader's thread; another thread may release the block.
using BatchMemory = std::function<MemoryBlock(std::size_t bytes)>;

/// Returns a provider of plain memory that reuses released blocks: a loader that makes batch after
/// batch needs no new memory after the first ones. Thread-safe.
BatchMemory plain_batch_memory();

/// A fixed number of values in such memory. Movable but not copyable, because memory that is
/// released must not be in use.
template <typename T>
class BatchArray {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  BatchArray() = default;
  BatchArray(std::size_t size, const BatchMemory& memory)
      : block_(memory(size * sizeof(T))), size_(size) {}
  BatchArray(BatchArray&& other) noexcept
      : block_(std::exchange(other.block_, {})), size_(std::exchange(other.size_, 0)) {}
  BatchArray& operator=(BatchArray&& other) noexcept {
    block_ = std::exchange(other.block_, {});
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() { return reinterpret_cast<T*>(block_.data); }
  const T* data() const { return reinterpret_cast<const T*>(block_.data); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  const T& operator[](std::size_t i) const { return data()[i]; }

  friend bool operator==(const BatchArray& a, const BatchArray& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  MemoryBlock block_;
  std::size_t size_ = 0;
};

}  // namespace vae_dist::data
