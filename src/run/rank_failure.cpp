#include "run/rank_failure.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/attempt.hpp"
#include "base/list_of_ten.hpp"
#include "base/log.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/nccl_log.hpp"
#include "run/stop_signal.hpp"

namespace vae_dist::run {
namespace {

constexpr base::Seconds kConsequenceTime{2};  // granted to the rank that failed first

// mpirun kills what is left. If it has not done so for this long after it should have, it is not
// going to.
constexpr base::Seconds kLateForMpirun{5};

// Each of mpirun's two pauses before it kills ends early when a process of its own ends. So after
// the last step is saved, ranks that leave one after the other save the next start the rest of
// both. As long as it is not saved, no rank may leave.
constexpr base::Seconds kBetweenLeaving{0.15};
constexpr int kLeaving = 4;

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
      saver_([this] { save(); }),
      ender_([this] { end_after_loss(); }),
      watchdog_(world, log,
                [this](const base::Error& error, const std::string& details) {
                  end_all_ranks(error, details);
                }),
      after_terminate_(
          [this](std::thread::id terminated, const std::exception& error,
                 const std::string& details) { end_for(terminated, error, details); }) {}

void RankFailure::end_all_ranks(const std::exception& error, const std::string& details) {
  while (ending_.exchange(true)) std::this_thread::sleep_for(std::chrono::hours(1));
  ending_thread_ = std::this_thread::get_id();
  // There may be no memory for the message. Leaving this function would destroy what other threads
  // use.
  base::attempt([&] { tell_and_save(error, details); });
  comm::abort_nccl_communicators();
  world_.abort(base::exit_code(error));
}

// `terminated` may have been ending all ranks itself. It will not go on, so this thread does what
// is left.
void RankFailure::end_for(std::thread::id terminated, const std::exception& error,
                          const std::string& details) {
  if (ending_thread_.load() != terminated) end_all_ranks(error, details);
  if (!told_) {
    tell(error, details);
    watchdog_.announce_failure(base::ExitCode::rank_failed);
  }
  wait_until_saved();
  comm::abort_nccl_communicators();
  world_.abort(base::ExitCode::rank_failed);
}

void RankFailure::tell(const std::exception& error, const std::string& details) {
  tell_(error, details);
  told_ = true;
  EndAfterTerminate::note_report();
}

void RankFailure::tell_and_save(const std::exception& error, const std::string& details) {
  // In its own thread, so that the message is not kept waiting.
  begin_saving();
  const std::string known = details + comm::nccl_warnings_in(comm::nccl_log());
  const bool may_be_consequence =
      dynamic_cast<const base::CommunicationFailure*>(&error) != nullptr;
  const std::optional<int> first =
      watchdog_.failed_rank(may_be_consequence ? kConsequenceTime : base::Seconds(0));
  if (first) {
    std::this_thread::sleep_for(kConsequenceTime);
    tell(marked(error, *first), known);
  } else {
    tell(error, known);
    watchdog_.announce_failure(base::exit_code(error));
    last_words_();
  }

  // Behind an aborted sum the device would go on with wrong values, and MPI ends the ranks that are
  // still saving.
  wait_until_saved();
}

RankFailure::Saving RankFailure::save_before_the_end(SaveLastStep save, base::Seconds limit,
                                                     std::vector<ProcessIdentity> processes,
                                                     const LauncherFacts& launcher) {
  {
    const std::lock_guard lock(mutex_);
    save_ = std::move(save);
    limit_ = limit;
    EndAfterTerminate::allow(limit);
    processes_ = std::move(processes);
    launcher_ = launcher;
  }
  watchdog_.look_for_losses({
      .suspects = [] { return stop_requested(); },
      .ended =
          [this] {
            std::vector<int> out;
            for (std::size_t rank = 0; rank < processes_.size(); ++rank)
              if (has_ended(processes_[rank])) out.push_back(static_cast<int>(rank));
            return out;
          },
      // Of ranks that it cannot see, this one knows only whether they answer. If mpirun is ending
      // all of them anyway, there is nothing to lose by a wrong guess.
      .patience = [this](int rank) -> std::optional<base::Seconds> {
        const auto r = static_cast<std::size_t>(rank);
        if (!mpirun_ends() || sees(own_process(), processes_[r])) return std::nullopt;
        return launcher_.until_killed / 4;
      },
      .on_loss = [this](const std::vector<int>& lost) { on_loss(lost); },
      .on_failure = [this] { begin_saving(); },
  });
  return Saving(*this);
}

void RankFailure::save_nothing_more() {
  watchdog_.look_for_losses({.suspects = [] { return false; },
                             .ended = [] { return std::vector<int>(); },
                             .patience = [](int) { return std::nullopt; },
                             .on_loss = {},
                             .on_failure = {}});
  std::unique_lock lock(mutex_);
  // What is being saved refers to what the caller is about to destroy.
  saved_.wait(lock, [this] { return !saving_begun_ || saving_ended_; });
  save_ = {};
}

void RankFailure::begin_saving() noexcept {
  const std::lock_guard lock(mutex_);
  if (!save_ || saving_begun_) return;
  saving_begun_ = true;
  since_begun_.restart();
  saver_.go();
}

void RankFailure::save() {
  const auto is_known_to_have_ended = [this](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    {
      const std::lock_guard lock(mutex_);
      if (std::ranges::find(lost_, rank) != lost_.end()) return true;
    }
    return r < processes_.size() && has_ended(processes_[r]);
  };
  // Those who wait are told in any case, also where there is no memory for a warning.
  base::attempt([&] {
    try {
      save_(is_known_to_have_ended);
    } catch (const std::exception& error) {
      log::warn(base::text("the last step was not saved: ", error.what()));
    }
  });
  const std::lock_guard lock(mutex_);
  saving_ended_ = true;
  saved_.notify_all();
}

void RankFailure::wait_until_saved() {
  std::unique_lock lock(mutex_);
  saved_.wait_for(lock, limit_ - since_begun_.elapsed(),
                  [this] { return !saving_begun_ || saving_ended_; });
}

void RankFailure::on_loss(const std::vector<int>& lost) {
  {
    const std::lock_guard lock(mutex_);
    lost_ = lost;
    since_loss_.restart();
  }
  begin_saving();
  ender_.go();
}

void RankFailure::end_after_loss() {
  wait_until_saved();
  if (mpirun_ends()) {
    // It has noticed the loss, reports it, and its exit code counts.
    std::this_thread::sleep_for((1 + world_.rank() % kLeaving) * kBetweenLeaving);
    ::_exit(static_cast<int>(base::ExitCode::rank_failed));
  }
  std::this_thread::sleep_for(
      std::max(base::Seconds(0), launcher_.until_killed + kLateForMpirun - since_loss_.elapsed()));
  std::vector<std::string> ranks;
  for (const int rank : lost_) ranks.push_back(std::to_string(rank));
  end_all_ranks(base::Failure(
      base::text("lost rank ", base::list_of_ten(ranks, ", "), ": its process has ended")));
}

}  // namespace vae_dist::run
