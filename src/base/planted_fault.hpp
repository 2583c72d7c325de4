// Deliberate faults that the sanitizers must find: a test of the tests.
//
// tests/checks/sanitize.sh enables each of them in turn and fails if its sanitizer does not report
// it. Builds without VAE_DIST_CHECKS (cmake/Sanitizers.cmake), the only ones that users run,
// contain no such fault: there planted() is false at compile time.
#pragma once

#ifdef VAE_DIST_CHECKS
#include <cstdlib>
#include <cstring>
#endif

namespace vae_dist::base {

enum class PlantedFault {
  chunk_ring,  ///< a chunk is announced to readers before it is decoded: a data race
  reducer,     ///< a bucket is queued for the exchange thread without the lock: a data race
  watchdog,    ///< the phase is set for the control thread without the lock: a data race
  reader,      ///< the HDF5 reader writes one byte past the rows: a heap buffer overflow
};

#ifdef VAE_DIST_CHECKS
/// Returns whether the environment variable VAE_DIST_PLANTED_FAULT names this fault.
inline bool planted(PlantedFault fault) {
  static const char* const chosen = std::getenv("VAE_DIST_PLANTED_FAULT");
  constexpr const char* kNames[] = {"chunk_ring", "reducer", "watchdog", "reader"};
  return chosen && std::strcmp(chosen, kNames[static_cast<int>(fault)]) == 0;
}
#else
constexpr bool planted(PlantedFault) { return false; }
#endif

}  // namespace vae_dist::base
