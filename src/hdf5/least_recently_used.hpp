// Decides which of many objects that can be closed and reopened stay open: the most recently used.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

namespace vae_dist::hdf5 {

/// Not thread-safe: its owner also owns the lock.
template <typename T>
class LeastRecentlyUsed {
 public:
  /// Records a use of `item`, which is open. Returns the item to close so that at most `most` stay
  /// open, or null. The returned item is no longer tracked.
  T* use(T* item, std::size_t most) {
    if (const auto known = places_.find(item); known != places_.end()) {
      order_.splice(order_.begin(), order_, known->second);
      return nullptr;
    }
    order_.push_front(item);
    places_[item] = order_.begin();
    if (order_.size() <= most) return nullptr;
    T* const oldest = order_.back();
    forget(oldest);
    return oldest;
  }

  /// Stops tracking `item`, which was closed or is being destroyed.
  void forget(T* item) {
    const auto known = places_.find(item);
    if (known == places_.end()) return;
    order_.erase(known->second);
    places_.erase(known);
  }

 private:
  std::list<T*> order_;  // most recently used first
  std::unordered_map<T*, typename std::list<T*>::iterator> places_;
};

}  // namespace vae_dist::hdf5
