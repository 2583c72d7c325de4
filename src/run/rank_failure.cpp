#include "run/rank_failure.hpp"

#include <thread>

#include "comm/nccl_communicator.hpp"
#include "comm/nccl_log.hpp"

namespace vae_dist::run {
namespace {

constexpr base::Seconds kConsequenceTime{2};  // granted to the rank that failed first

// Returns the same error with a mark in its message. Keeps the source location.
base::Error marked(const std::exception& error, int first) {
  const std::string message =
      base::text("(as a consequence of the failure of rank ", first, ") ", error.what());
  const auto* const ours = dynamic_cast<const base::Error*>(&error);
  return ours ? base::Error(ours->code(), message, ours->where())
              : base::Error(base::ExitCode::rank_failed, message);
}

}  // namespace

RankFailure::RankFailure(const comm::MpiWorld& world, const comm::CollectiveLog& log, Tell tell,
                         std::function<void()> last_words)
    : world_(world),
      tell_(std::move(tell)),
      last_words_(std::move(last_words)),
      watchdog_(world, log, [this](const base::Error& error, const std::string& details) {
        end_all_ranks(error, details);
      }) {}

void RankFailure::end_all_ranks(const std::exception& error, const std::string& details) {
  while (ending_.exchange(true)) std::this_thread::sleep_for(std::chrono::hours(1));

  const std::string known = details + comm::nccl_warnings_in(comm::nccl_log());
  const bool may_be_consequence =
      dynamic_cast<const base::CommunicationFailure*>(&error) != nullptr;
  const std::optional<int> first =
      watchdog_.failed_rank(may_be_consequence ? kConsequenceTime : base::Seconds(0));
  if (first) {
    std::this_thread::sleep_for(kConsequenceTime);
    tell_(marked(error, *first), known);
  } else {
    tell_(error, known);
    watchdog_.announce_failure(base::exit_code(error));
    last_words_();
  }

  comm::abort_nccl_communicators();
  world_.abort(base::exit_code(error));
}

}  // namespace vae_dist::run
