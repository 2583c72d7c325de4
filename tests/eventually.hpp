// Waits for what another thread does, in tests: with an end, so that a fault shows as a failure.
#pragma once

#include <chrono>
#include <thread>

namespace vae_dist {

/// Returns whether `condition` holds, as soon as it does, and false after 20 minutes: far longer
/// than anything that a unit test waits for, on any machine.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace vae_dist
