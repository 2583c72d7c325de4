#include "run/run_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/utc_text.hpp"
#include "base/utf8.hpp"

namespace vae_dist::run {
namespace {

struct Holder {
  std::string host, processes;  // `processes`: which process numbers are meant, those of a
                                // container or of the host
  std::int64_t pid = 0, process_start = 0;
  JobIdentity job;
  std::string started;
};

// Ticks since the host started; 0: there is no such process, or it is dead and only waits for its
// parent to notice. With the number of the process it names one for good: numbers come again.
std::int64_t start_of_process(std::int64_t pid) {
  std::string stat;
  try {
    stat = base::read_file(base::text("/proc/", pid, "/stat"));
  } catch (const base::BadInput&) {
    return 0;
  }
  // The 2nd field is the program's name in brackets, and may hold anything; the 22nd is wanted.
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return 0;
  for (int number = 4; number <= 22; ++number) fields >> field;
  return std::strtoll(field.c_str(), nullptr, 10);
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string process_namespace() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
}

std::string content_for(const JobIdentity& job) {
  const nlohmann::ordered_json object = {{"host", host_name()},
                                         {"processes", process_namespace()},
                                         {"pid", ::getpid()},
                                         {"process_start", start_of_process(::getpid())},
                                         {"job", job.id},
                                         {"restart", job.restart},
                                         {"started", base::utc_now("%Y-%m-%d %H:%M:%S UTC")}};
  return base::json_text(object, 2) + "\n";
}

// Nothing for a text that is no lock: a file system that lost it in a crash.
std::optional<Holder> holder_in(const std::string& content) {
  try {
    const auto object = nlohmann::json::parse(content);
    return Holder{object.at("host"),
                  object.at("processes"),
                  object.at("pid"),
                  object.at("process_start"),
                  {object.at("job"), object.at("restart")},
                  object.at("started")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string describe(const std::optional<Holder>& holder) {
  if (!holder) return "somebody (the file is damaged)";
  return base::text("process ", holder->pid, " on ", holder->host,
                    holder->job.id.empty()
                        ? ""
                        : base::text(", job ", holder->job.id, ", restart ", holder->job.restart),
                    ", started ", holder->started);
}

std::optional<std::string> content_of(const std::filesystem::path& file) {
  try {
    return base::read_file(file);
  } catch (const base::BadInput&) {
    return std::nullopt;
  }
}

std::optional<base::Seconds> modified(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return base::Seconds(static_cast<double>(status.st_mtim.tv_sec) +
                       1e-9 * static_cast<double>(status.st_mtim.tv_nsec));
}

// The file system's own clock sets the time: hosts that share it need not agree on theirs. Needs no
// room on the disk.
bool touch(const std::filesystem::path& file) {
  return ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0;
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& holder,
                         const std::string& evidence) {
  throw base::BadInput(base::text(file.parent_path().string(), " is in use: ", holder,
                                  " trains there (", evidence,
                                  "). Wait for its end, ask it to stop (kill -USR1), or choose "
                                  "another run.name. If there is no such run, remove ",
                                  file.string(), "."));
}

// Returns why the lock may be taken over, or refuses. `own`: a file beside it, by whose time it is
// measured.
std::string judge(const std::filesystem::path& file, const std::string& content,
                  const JobIdentity& job, const std::filesystem::path& own,
                  base::Seconds heartbeat) {
  const std::optional<Holder> holder = holder_in(content);
  const std::string who = describe(holder);
  if (holder && !job.id.empty() && holder->job.id == job.id && holder->job.restart < job.restart)
    return base::text("the run's lock is taken over from an earlier start of the same job: ", who);
  if (holder && holder->host == host_name() && holder->processes == process_namespace()) {
    if (start_of_process(holder->pid) == holder->process_start)
      refuse(file, who, "that process is alive");
    return base::text("the run's lock is taken over: ", who, ", is gone");
  }

  const base::Seconds patience = RunLock::kMissed * heartbeat;
  const std::optional<base::Seconds> first = modified(file);
  // By the time of the file system it may have been silent for long; and where that is behind the
  // last beat's (a clock was set back, the file came from elsewhere), what counts is how long it
  // has been silent here.
  const base::Stopwatch watched;
  bool told = false;
  while (true) {
    touch(own);
    const std::optional<base::Seconds> beat = modified(file), now = modified(own);
    if (!first || !beat || !now) return "";  // gone by itself
    if (*beat != *first) refuse(file, who, "its heart beats");
    if (std::max(*now - *beat, watched.elapsed()) >= patience)
      return base::text("the run's lock is taken over: ", who, ", has missed ", RunLock::kMissed,
                        " heartbeats");
    if (!told)
      log::info(base::text(file.string(), " is held by ", who,
                           ": looking for its heartbeat, up to ", patience.count(), " s"));
    told = true;
    std::this_thread::sleep_for(heartbeat / 20);
  }
}

// Two that come at the same time may both judge a lock to be nobody's. What is moved away must be
// what was judged.
void move_away(const std::filesystem::path& file, const std::filesystem::path& aside,
               const std::string& judged) {
  if (std::rename(file.c_str(), aside.c_str()) != 0) return;
  if (content_of(aside) != judged) [[maybe_unused]]
    const int restored = ::link(aside.c_str(), file.c_str());
  ::unlink(aside.c_str());
}

}  // namespace

JobIdentity job_from_environment() {
  const auto number = [](const char* name) {
    const char* const value = std::getenv(name);
    return value ? std::strtoll(value, nullptr, 10) : 0;
  };
  if (const char* const id = std::getenv("VAE_DIST_JOB_ID"))
    return {id, number("VAE_DIST_JOB_RESTART")};
  if (const char* const id = std::getenv("SLURM_JOB_ID"))
    return {base::text("slurm-", id), number("SLURM_RESTART_COUNT")};
  return {};
}

RunLock::RunLock(LockPlace place, const JobIdentity& job,
                 std::function<void(const std::string&)> on_loss, base::Seconds heartbeat)
    : file_(std::move(place.file)),
      made_(std::move(place.made)),
      mine_(content_for(job)),
      on_loss_(std::move(on_loss)),
      heartbeat_(heartbeat) {
  take(job);
  heart_ = std::thread([this] { beat(); });
}

RunLock::~RunLock() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  heart_.join();
  if (content_of(file_) != mine_) return;
  ::unlink(file_.c_str());
  if (made_.empty()) return;
  // Fails where there is anything in one.
  for (std::filesystem::path folder = file_.parent_path();
       ::rmdir(folder.c_str()) == 0 && folder != made_;)
    folder = folder.parent_path();
}

void RunLock::take(const JobIdentity& job) {
  const std::filesystem::path own = file_.parent_path() /
                                    base::text(".lock.", host_name(), ".", ::getpid()),
                              aside = own.string() + ".old";
  const auto cannot = [&] {
    return base::BadInput(base::text("cannot take the run's lock ", file_.string(), ": ",
                                     std::strerror(errno),
                                     ". Choose another place with run.directory."));
  };
  try {
    base::write_and_sync(own, mine_);
    // A link is made whole or not at all, over a network too. Where the file system has none, a
    // rename at least leaves no part of a file.
    while (::link(own.c_str(), file_.c_str()) != 0) {
      if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
        const auto before = content_of(file_);
        if (before) log::info(judge(file_, *before, job, own, heartbeat_));
        if (std::rename(own.c_str(), file_.c_str()) != 0) throw cannot();
        break;
      }
      if (errno != EEXIST) throw cannot();
      const auto before = content_of(file_);
      if (!before && std::filesystem::exists(std::filesystem::symlink_status(file_)))
        throw cannot();
      if (!before) continue;
      const std::string reason = judge(file_, *before, job, own, heartbeat_);
      if (!reason.empty()) log::info(reason);
      move_away(file_, aside, *before);
    }
  } catch (const base::Failure& error) {
    ::unlink(own.c_str());
    throw base::BadInput(base::text("cannot take the run's lock: ", error.what(),
                                    ". Choose another place with run.directory."));
  } catch (...) {
    ::unlink(own.c_str());
    throw;
  }
  ::unlink(own.c_str());
}

void RunLock::beat() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, heartbeat_, [this] { return ending_; })) {
    const auto content = content_of(file_);
    // A file that cannot be read just now may be there again at the next beat.
    if (!content) continue;
    if (*content == mine_) {
      touch(file_);
      continue;
    }
    lock.unlock();
    on_loss_(base::text("another start of this run has taken it over: ",
                        describe(holder_in(*content)), ". This one ends and writes nothing more."));
    return;
  }
}

}  // namespace vae_dist::run
