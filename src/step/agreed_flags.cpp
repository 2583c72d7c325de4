#include "step/agreed_flags.hpp"

#include <exception>
#include <utility>

namespace vae_dist::step {

AgreedFlags::~AgreedFlags() {
  if (std::uncaught_exceptions() > 0) {
    // After an error the other ranks may never answer, but MPI may still write into the buffers, so
    // they are leaked on purpose.
    for (auto& pending : pending_) {
      [[maybe_unused]] const auto* const leaked = pending.release();
    }
    return;
  }
  for (auto& pending : pending_) pending->sum->wait();
}

StepRequests AgreedFlags::exchange(const StepRequests& mine) {
  auto sent = std::make_unique<Pending>();
  sent->counts[0] = mine.stop;
  sent->counts[1] = mine.checkpoint;
  sent->sum = all_ranks_.start_all_reduce_sum({sent->counts, 2, comm::DataType::int64});
  pending_.push_back(std::move(sent));
  if (pending_.size() <= kStepsLate) return {};

  const std::unique_ptr<Pending> arrived = std::move(pending_.front());
  pending_.pop_front();
  arrived->sum->wait();
  return {arrived->counts[0] > 0, arrived->counts[1] > 0};
}

}  // namespace vae_dist::step
