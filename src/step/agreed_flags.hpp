// Requests of any rank that all ranks carry out after the same step: stop, or write a checkpoint.
//
// A non-blocking sum exchanges the requests of a step while the next steps run. The result is read
// two steps later, so no rank waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "comm/communicator.hpp"

namespace vae_dist::step {

struct StepRequests {
  bool stop = false;
  bool checkpoint = false;
};

class AgreedFlags {
 public:
  static constexpr std::size_t kStepsLate = 2;

  /// `all_ranks` outlives this object, and nothing else may use it between steps.
  explicit AgreedFlags(comm::CpuCommunicator& all_ranks) : all_ranks_(all_ranks) {}
  ~AgreedFlags();

  /// Sends this rank's requests and returns those of all ranks two steps ago (none in the first two
  /// steps). To be called once per step on every rank.
  StepRequests exchange(const StepRequests& mine);

 private:
  struct Pending {
    std::int64_t counts[2];
    std::unique_ptr<comm::PendingCollective> sum;
  };
  comm::CpuCommunicator& all_ranks_;
  std::deque<std::unique_ptr<Pending>> pending_;
};

}  // namespace vae_dist::step
