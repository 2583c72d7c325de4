// What any rank wants and all must do after the same step: stop, or write a checkpoint now.
//
// Each step's wishes travel by a non-blocking sum while the next steps run, and are read two steps
// later, so nothing waits.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "comm/communicator.hpp"

namespace vae_dist::step {

struct Wishes {
  bool stop = false;
  bool checkpoint = false;
};

class AgreedFlags {
 public:
  static constexpr std::size_t kStepsLate = 2;

  /// `host` is used by nobody else between steps and outlives this.
  explicit AgreedFlags(comm::HostCommunicator& host) : host_(host) {}
  ~AgreedFlags();

  /// Once a step on every rank: sends this rank's wishes, and returns everybody's of two steps ago
  /// (none in the first two).
  Wishes exchange(const Wishes& mine);

 private:
  struct Pending {
    std::int64_t counts[2];
    std::unique_ptr<comm::PendingCollective> sum;
  };
  comm::HostCommunicator& host_;
  std::deque<std::unique_ptr<Pending>> pending_;
};

}  // namespace vae_dist::step
