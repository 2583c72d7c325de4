#include "comm/watchdog.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <thread>
#include <type_traits>

#include "comm/mpi_call.hpp"

namespace vae_dist {
namespace {

using namespace std::chrono_literals;

constexpr auto kPause = 50ms;           // between looks at messages and the clock
constexpr auto kAnswerTime = 1000ms;    // a rank that is alive answers within two pauses
constexpr auto kStopped = 1000ms;       // longer between two looks: this process did not run
constexpr auto kConsequenceTime = 2s;   // left to the rank whose message matters

// What travels. Fixed size, so that one receive fits all.
struct Message {
  enum Kind : std::int32_t { question, answer } kind = question;
  char phase[80] = {};
  std::int64_t step = 0;
  double seconds = 0;
};
static_assert(std::is_trivially_copyable_v<Message>);

std::string in_seconds(double seconds) { return text(std::llround(seconds * 10) / 10.0, " s"); }

}  // namespace

bool is_behind(const Activity& other, const Activity& mine) { return other.step < mine.step || (other.step == mine.step && other.phase != mine.phase); }

std::string timeout_message(int rank, const Activity& mine, const std::vector<std::optional<Activity>>& others) {
  std::string out = text(mine.phase, " of step ", mine.step, " did not end within ", in_seconds(mine.seconds));
  std::string culprits;
  for (std::size_t r = 0; r < others.size(); ++r) {
    if (static_cast<int>(r) == rank) continue;
    const auto& other = others[r];
    if (!other) {
      culprits += text("; rank ", r, " is not responding");
    } else if (is_behind(*other, mine)) {
      culprits += text("; rank ", r, " is late: in \"", other->phase, "\" of step ", other->step, " for ", in_seconds(other->seconds));
    }
  }
  if (culprits.empty()) culprits = "; all ranks answer and are at the same point, so it is the exchange itself that hangs";
  return out + culprits + ". (distributed.timeout_s and slow_timeout_s set the limits)";
}

class Watchdog::ControlThread {
 public:
  ControlThread(const MpiWorld& world, OnTimeout on_timeout) : rank_(world.rank()), size_(world.size()), on_timeout_(std::move(on_timeout)) {
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    thread_ = std::thread([this] {
      try {
        watch();
      } catch (const Error& error) {
        on_timeout_(error);
      }
    });
  }

  ~ControlThread() {
    stopping_ = true;
    thread_.join();
    // The communicator is not freed: that would be a collective, and other ranks may still be asking.
  }

  void enter(const std::string& phase, std::int64_t step, std::optional<Seconds> limit) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    step_ = step;
    limit_ = limit;
    since_.restart();
  }

 private:
  void watch() {
    listen();
    while (!stopping_) {
      handle_messages();
      if (const auto mine = waited_too_long()) report(*mine);
      std::this_thread::sleep_for(kPause);
    }
    MPI_Cancel(&receive_);
    MPI_Wait(&receive_, MPI_STATUS_IGNORE);
  }

  Activity activity() {
    const std::lock_guard lock(mutex_);
    return {phase_, step_, since_.elapsed().count()};
  }

  std::optional<Activity> waited_too_long() {
    const std::lock_guard lock(mutex_);
    if (!limit_ || since_.elapsed() < *limit_) return std::nullopt;
    return Activity{phase_, step_, since_.elapsed().count()};
  }

  // A process that was stopped and goes on (as mpirun lets it, to end it) has not waited for anybody meanwhile.
  void forget_time_when_stopped() {
    if (since_look_.restart() < kStopped) return;
    const std::lock_guard lock(mutex_);
    since_.restart();
  }

  void listen() { check_mpi(MPI_Irecv(&incoming_, sizeof incoming_, MPI_BYTE, MPI_ANY_SOURCE, 0, comm_, &receive_), "MPI_Irecv"); }

  void handle_messages() {
    forget_time_when_stopped();
    while (true) {
      int arrived = 0;
      MPI_Status status;
      check_mpi(MPI_Test(&receive_, &arrived, &status), "MPI_Test");
      if (!arrived) break;
      if (incoming_.kind == Message::question) {
        send(status.MPI_SOURCE, Message::answer);
      } else if (!answers_.empty()) {
        answers_[static_cast<std::size_t>(status.MPI_SOURCE)] = Activity{incoming_.phase, incoming_.step, incoming_.seconds};
      }
      listen();
    }
    std::erase_if(sent_, [](Sent& sent) {
      int done = 0;
      check_mpi(MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      return done != 0;
    });
  }

  // Never waits: the receiver may be stopped.
  void send(int to, Message::Kind kind) {
    const Activity mine = activity();
    Sent& sent = sent_.emplace_back(Sent{std::make_unique<Message>(), MPI_REQUEST_NULL});
    sent.message->kind = kind;
    std::strncpy(sent.message->phase, mine.phase.c_str(), sizeof sent.message->phase - 1);
    sent.message->step = mine.step;
    sent.message->seconds = mine.seconds;
    check_mpi(MPI_Isend(sent.message.get(), sizeof(Message), MPI_BYTE, to, 0, comm_, &sent.request), "MPI_Isend");
  }

  void listen_for(Seconds time) {
    const Stopwatch watch;
    while (watch.elapsed() < time) {
      handle_messages();
      std::this_thread::sleep_for(kPause);
    }
  }

  void report(const Activity& mine) {
    answers_.assign(static_cast<std::size_t>(size_), std::nullopt);
    for (int r = 0; r < size_; ++r)
      if (r != rank_) send(r, Message::question);
    listen_for(kAnswerTime);
    // It may have ended while the others were asked.
    if (!waited_too_long()) return;

    // All ranks that wait for the same one come here. The lowest speaks; the others leave it time to end them.
    bool consequence = false;
    for (int r = 0; r < rank_; ++r) {
      const auto& other = answers_[static_cast<std::size_t>(r)];
      consequence = consequence || (other && !is_behind(*other, mine));
    }
    if (consequence) listen_for(kConsequenceTime);
    on_timeout_(Error(ExitCode::timed_out, (consequence ? "(as a consequence) " : "") + timeout_message(rank_, mine, answers_)));
  }

  struct Sent {
    std::unique_ptr<Message> message;
    MPI_Request request;
  };

  const int rank_, size_;
  const OnTimeout on_timeout_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;  // of what the rank is doing
  std::string phase_ = "start";
  std::int64_t step_ = 0;
  std::optional<Seconds> limit_;
  Stopwatch since_;

  // The control thread's own.
  Stopwatch since_look_;
  Message incoming_;
  MPI_Request receive_ = MPI_REQUEST_NULL;
  std::vector<Sent> sent_;
  std::vector<std::optional<Activity>> answers_;  // of the question under way, by rank

  std::thread thread_;
};

Watchdog::Watchdog(const MpiWorld& world, OnTimeout on_timeout) {
  if (world.size() > 1) thread_ = std::make_unique<ControlThread>(world, std::move(on_timeout));
}

Watchdog::~Watchdog() = default;

void Watchdog::enter(const std::string& phase, std::int64_t step, std::optional<Seconds> limit) {
  if (thread_) thread_->enter(phase, step, limit);
}

}  // namespace vae_dist
