#include "comm/watchdog.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <type_traits>

#include "base/planted_fault.hpp"
#include "comm/mpi_call.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/verdict.hpp"

namespace vae_dist::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto kPollInterval = 50ms;   // between polls of messages and the clock
constexpr auto kAnswerTime = 1000ms;   // a rank that is alive answers within two pauses
constexpr auto kStoppedGap = 1000ms;   // a longer gap between polls: this process was stopped
constexpr auto kConsequenceTime = 2s;  // time left for the rank whose message matters
constexpr auto kApart = 150ms;         // between two ranks that would report the same
constexpr int kSpeakersApart = 20;
constexpr auto kAnnounceTime =
    300ms;  // for news to leave this process; ranks that do not listen cannot be told

// The message between control threads. It has a fixed size, so one receive fits all.
struct Message {
  enum Kind : std::int32_t { question, answer, failed } kind = question;
  base::ExitCode code = base::ExitCode::done;  // of a `failed` message
  char phase[80] = {}, collective[80] = {};
  std::int64_t step = 0, collectives = 0;
  double seconds = 0, left = 0;
};
static_assert(std::is_trivially_copyable_v<Message>);

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

template <std::size_t N>
void copy_text(char (&to)[N], const std::string& from) {
  std::strncpy(to, from.c_str(), N - 1);
}

Message make_message(Message::Kind kind, const Activity& mine) {
  Message out;
  out.kind = kind;
  copy_text(out.phase, mine.phase);
  copy_text(out.collective, mine.collective);
  out.step = mine.step;
  out.collectives = mine.collectives;
  out.seconds = mine.seconds;
  out.left = mine.left.value_or(kNoLimit);
  return out;
}

Activity activity_of(const Message& message) {
  Activity out{message.phase, message.step,        message.seconds,
               std::nullopt,  message.collectives, message.collective};
  if (message.left != kNoLimit) out.left = message.left;
  return out;
}

}  // namespace

class Watchdog::ControlThread {
 public:
  ControlThread(const MpiWorld& world, const CollectiveLog& log, OnEnd on_end)
      : rank_(world.rank()), size_(world.size()), log_(log), on_end_(std::move(on_end)) {
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    thread_ = std::thread([this] {
      try {
        watch();
      } catch (const base::Error& error) {
        on_end_(error, "");
      } catch (const std::exception& error) {
        on_end_(base::Failure(base::text("the control thread failed: ", error.what())), "");
      }
    });
  }

  ~ControlThread() {
    stopping_ = true;
    thread_.join();
    // The communicator is not freed: that is a collective, and other ranks may still be asking
    // questions.
  }

  void enter(const std::string& phase, std::int64_t step, std::optional<base::Seconds> limit) {
    std::unique_lock lock(mutex_, std::defer_lock);
    if (!base::planted(base::PlantedFault::watchdog)) lock.lock();
    phase_ = phase;
    step_ = step;
    limit_ = limit;
    since_.restart();
  }

  void announce_failure(base::ExitCode code) {
    Message message = make_message(Message::failed, activity());
    message.code = code;
    std::vector<MPI_Request> requests(static_cast<std::size_t>(size_), MPI_REQUEST_NULL);
    for (int r = 0; r < size_; ++r)
      if (r != rank_)
        MPI_Isend(&message, sizeof message, MPI_BYTE, r, 0, comm_,
                  &requests[static_cast<std::size_t>(r)]);
    int sent = 0;
    for (const base::Stopwatch watch; !sent && watch.elapsed() < kAnnounceTime;
         std::this_thread::sleep_for(1ms))
      if (MPI_Testall(size_, requests.data(), &sent, MPI_STATUSES_IGNORE) != MPI_SUCCESS) return;
  }

  void look_for_losses(LossAlarm alarm) {
    const std::lock_guard lock(alarm_mutex_);
    alarm_ = std::move(alarm);
  }

  std::optional<int> failed_rank(base::Seconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return failed_rank_.has_value(); });
    return failed_rank_;
  }

 private:
  void watch() {
    listen();
    while (!stopping_) {
      handle_messages();
      look_for_losses();
      look_for_nccl_failure();
      if (waited_too_long()) report();
      if (const auto other = failed_for(kConsequenceTime))
        on_end_(base::Error(failed_code_,
                            base::text("(as a consequence) rank ", *other,
                                       " has failed, and this rank was still running ",
                                       base::Seconds(kConsequenceTime).count(), " s later")),
                "");
      std::this_thread::sleep_for(kPollInterval);
    }
    MPI_Cancel(&receive_);
    MPI_Wait(&receive_, MPI_STATUS_IGNORE);
  }

  // A signal proves no death: shells and batch systems send them too. So the others are asked.
  void look_for_losses() {
    const std::lock_guard lock(alarm_mutex_);
    if (!alarm_) return;
    if (alarm_->on_failure && failed_for({})) {
      alarm_->on_failure();
      alarm_->on_failure = {};
    }
    if (!alarm_->on_loss || !alarm_->suspects()) return;
    if (!since_suspicion_) {
      since_suspicion_.emplace();
      silent_.assign(static_cast<std::size_t>(size_), true);
      silent_[static_cast<std::size_t>(rank_)] = false;
      for (int r = 0; r < size_; ++r)
        if (r != rank_) send(r, Message::question);
    }
    std::vector<int> lost = alarm_->ended();
    for (int r = 0; r < size_; ++r) {
      if (!silent_[static_cast<std::size_t>(r)]) continue;
      const std::optional<base::Seconds> patience = alarm_->patience(r);
      if (patience && since_suspicion_->elapsed() >= *patience) lost.push_back(r);
    }
    if (lost.empty()) return;
    alarm_->on_loss(lost);
    alarm_->on_loss = {};
    found_loss_ = true;
  }

  // NCCL fails on the other ranks as well when a rank has failed or is lost. That one has some time
  // to say so, or to be found, and then explains what has happened.
  void look_for_nccl_failure() {
    if (found_loss_ || !nccl_failure()) return;
    // A broken connection is met at both of its ends: they speak one after the other, so that the
    // second one knows of the first.
    const base::Seconds patience = kConsequenceTime + std::min(rank_, kSpeakersApart) * kApart;
    const base::Stopwatch watch;
    while (watch.elapsed() < patience && !failed_for({}) && !found_loss_ && !stopping_)
      listen_for(kPollInterval);
    // Ranks that end in good order do not all close their connections in the same moment. A
    // communicator that has ended since has not failed.
    const std::optional<std::string> failure = nccl_failure();
    if (failure && !found_loss_ && !stopping_)
      on_end_(base::Failure("NCCL has failed while this rank waited for the GPU: " + *failure),
              "the last collectives of this rank:\n" + describe(log_.entries()));
  }

  Activity activity() {
    const std::lock_guard lock(mutex_);
    const double seconds = since_.elapsed().count();
    Activity out{phase_, step_, seconds, std::nullopt, log_.started(), log_.last_started()};
    if (limit_) out.left = limit_->count() - seconds;
    return out;
  }

  bool waited_too_long() {
    const std::lock_guard lock(mutex_);
    return limit_ && since_.elapsed() >= *limit_;
  }

  std::optional<int> failed_for(base::Seconds time) {
    const std::lock_guard lock(mutex_);
    return failed_rank_ && since_failure_.elapsed() >= time ? failed_rank_ : std::nullopt;
  }

  // Restarts the clock after this process was stopped and continued (mpirun does so to end it): it
  // has not waited for another rank meanwhile.
  void forget_time_when_stopped() {
    if (since_poll_.restart() < kStoppedGap) return;
    const std::lock_guard lock(mutex_);
    since_.restart();
  }

  void listen() {
    check_mpi(
        MPI_Irecv(&incoming_, sizeof incoming_, MPI_BYTE, MPI_ANY_SOURCE, 0, comm_, &receive_),
        "MPI_Irecv");
  }

  void handle_messages() {
    forget_time_when_stopped();
    while (true) {
      int arrived = 0;
      MPI_Status status;
      check_mpi(MPI_Test(&receive_, &arrived, &status), "MPI_Test");
      if (!arrived) break;
      handle(incoming_, status.MPI_SOURCE);
      listen();
    }
    std::erase_if(sent_, [](Sent& sent) {
      int done = 0;
      return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
    });
  }

  void handle(const Message& message, int from) {
    switch (message.kind) {
      case Message::question:
        return send(from, Message::answer);
      case Message::answer:
        if (!answers_.empty()) answers_[static_cast<std::size_t>(from)] = activity_of(message);
        if (!silent_.empty()) silent_[static_cast<std::size_t>(from)] = false;
        return;
      case Message::failed: {
        const std::lock_guard lock(mutex_);
        if (failed_rank_) return;
        failed_rank_ = from;
        failed_code_ = message.code;
        since_failure_.restart();
        changed_.notify_all();
      }
    }
  }

  // Never waits, because the receiver may be stopped, and never fails. A receiver that cannot be
  // reached has ended (perhaps this process was stopped and answers an old question), and its
  // silence says enough.
  void send(int to, Message::Kind kind) {
    Sent sent{std::make_unique<Message>(make_message(kind, activity())), MPI_REQUEST_NULL};
    if (MPI_Isend(sent.message.get(), sizeof(Message), MPI_BYTE, to, 0, comm_, &sent.request) ==
        MPI_SUCCESS)
      sent_.push_back(std::move(sent));
  }

  void listen_for(base::Seconds time) {
    const base::Stopwatch watch;
    while (watch.elapsed() < time) {
      handle_messages();
      look_for_losses();
      std::this_thread::sleep_for(kPollInterval);
    }
  }

  void report() {
    answers_.assign(static_cast<std::size_t>(size_), std::nullopt);
    for (int r = 0; r < size_; ++r)
      if (r != rank_) send(r, Message::question);
    listen_for(kAnswerTime);
    // The wait may have ended while the others were asked.
    if (!waited_too_long()) return;
    answers_[static_cast<std::size_t>(rank_)] = activity();

    // All ranks that wait for the same rank get here. One of them reports; the others give it time
    // to end them.
    const std::string message = timeout_message(rank_, answers_);
    const bool consequence = failed_for({}) || judge(rank_, answers_).speaker != rank_;
    if (consequence) listen_for(kConsequenceTime);
    on_end_(base::Error(base::ExitCode::timed_out,
                        (consequence ? "(as a consequence) " : "") + message),
            consequence ? "" : "the last collectives of this rank:\n" + describe(log_.entries()));
  }

  struct Sent {
    std::unique_ptr<Message> message;
    MPI_Request request;
  };

  const int rank_, size_;
  const CollectiveLog& log_;
  const OnEnd on_end_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;  // guards the current phase and the news of a failure
  std::condition_variable changed_;
  std::string phase_ = "start";
  std::int64_t step_ = 0;
  std::optional<base::Seconds> limit_;
  base::Stopwatch since_, since_failure_;
  std::optional<int> failed_rank_;
  base::ExitCode failed_code_ = base::ExitCode::rank_failed;

  std::mutex alarm_mutex_;
  std::optional<LossAlarm> alarm_;

  // Used by the control thread only.
  bool found_loss_ = false;
  std::optional<base::Stopwatch> since_suspicion_;
  std::vector<bool> silent_;  // since then
  base::Stopwatch since_poll_;
  Message incoming_;
  MPI_Request receive_ = MPI_REQUEST_NULL;
  std::vector<Sent> sent_;
  std::vector<std::optional<Activity>> answers_;  // to the current question, by rank

  std::thread thread_;
};

Watchdog::Watchdog(const MpiWorld& world, const CollectiveLog& log, OnEnd on_end) {
  if (world.size() > 1) thread_ = std::make_unique<ControlThread>(world, log, std::move(on_end));
}

Watchdog::~Watchdog() = default;

void Watchdog::enter(const std::string& phase, std::int64_t step,
                     std::optional<base::Seconds> limit) {
  if (thread_) thread_->enter(phase, step, limit);
}

void Watchdog::announce_failure(base::ExitCode code) {
  if (thread_) thread_->announce_failure(code);
}

void Watchdog::look_for_losses(LossAlarm alarm) {
  if (thread_) thread_->look_for_losses(std::move(alarm));
}

std::optional<int> Watchdog::failed_rank(base::Seconds patience) {
  return thread_ ? thread_->failed_rank(patience) : std::nullopt;
}

}  // namespace vae_dist::comm
