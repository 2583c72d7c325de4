// Which of many things that can be closed and opened again stay open: those that were used last.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

namespace vae_dist::hdf5 {

/// Not for several threads at once: whoever owns it also owns the lock.
template <typename T>
class LeastRecentlyUsed {
 public:
  /// `item` is open and used now. Returns what has to be closed so that at most `most` stay open,
  /// or null; it is no longer counted then.
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

  /// `item` is closed, or ends.
  void forget(T* item) {
    const auto known = places_.find(item);
    if (known == places_.end()) return;
    order_.erase(known->second);
    places_.erase(known);
  }

 private:
  std::list<T*> order_;  // the last one used first
  std::unordered_map<T*, typename std::list<T*>::iterator> places_;
};

}  // namespace vae_dist::hdf5
