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
#include <sstream>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/modified.hpp"
#include "base/utc_text.hpp"
#include "base/utf8.hpp"

namespace vae_dist::run {
namespace {

struct Holder {
  ProcessIdentity process;
  JobIdentity job;
  std::string started;
};

std::string content_for(const JobIdentity& job) {
  const ProcessIdentity own = own_process();
  const nlohmann::ordered_json object = {{"host", own.host},
                                         {"processes", own.processes},
                                         {"pid", own.pid},
                                         {"process_start", own.start},
                                         {"job", job.id},
                                         {"restart", job.restart},
                                         {"started", base::utc_now("%Y-%m-%d %H:%M:%S UTC")}};
  return base::json_text(object, 2) + "\n";
}

// Returns nothing for invalid content, such as a file whose content was lost in a crash.
std::optional<Holder> holder_in(const std::string& content) {
  try {
    const auto object = nlohmann::json::parse(content);
    return Holder{
        {object.at("host"), object.at("processes"), object.at("pid"), object.at("process_start")},
        {object.at("job"), object.at("restart")},
        object.at("started")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string describe(const std::optional<Holder>& holder) {
  if (!holder) return "an unknown process (the lock file is damaged)";
  return base::text("process ", holder->process.pid, " on ", holder->process.host,
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

// Uses the clock of the file system, so hosts that share it need not agree on the time. Needs no
// disk space.
bool touch(const std::filesystem::path& file) {
  return ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0;
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& holder,
                         const std::string& evidence) {
  throw base::BadInput(base::text(file.parent_path().string(), " is in use: ", holder,
                                  " trains there (", evidence,
                                  "). Wait until it ends, ask it to stop (kill -USR1), or choose "
                                  "another run.name. If no such run exists, remove ",
                                  file.string(), "."));
}

// Returns why the lock may be taken over, or throws. `own` is a file next to the lock that tells
// the current time of the file system. `inherits`: see RunLock.
std::string judge(const std::filesystem::path& file, const std::string& content,
                  const JobIdentity& job, const std::filesystem::path& own, base::Seconds heartbeat,
                  const std::string& inherits) {
  if (!inherits.empty()) {
    if (content == inherits) return "the lock of the rank that held it for this start";
    refuse(file, describe(holder_in(content)), "it holds the lock instead of this start's rank 0");
  }
  const std::optional<Holder> holder = holder_in(content);
  const std::string who = describe(holder);
  if (holder && !job.id.empty() && holder->job.id == job.id && holder->job.restart < job.restart)
    return base::text("taking over the run's lock from an earlier start of the same job: ", who);
  if (holder && sees(own_process(), holder->process)) {
    if (!has_ended(holder->process)) refuse(file, who, "that process is alive");
    return base::text("taking over the run's lock: ", who, ", is no longer running");
  }

  const base::Seconds patience = RunLock::kMissedHeartbeats * heartbeat;
  const std::optional<base::Seconds> first = base::modified(file);
  // By the clock of the file system, the holder may have been silent for long. That clock can also
  // be behind the last heartbeat (a clock was set back, or the file was copied from elsewhere);
  // then the silence observed here counts.
  const base::Stopwatch watched;
  bool told = false;
  while (true) {
    touch(own);
    const std::optional<base::Seconds> beat = base::modified(file), now = base::modified(own);
    if (!first || !beat || !now) return "";  // the lock was removed meanwhile
    if (*beat != *first) refuse(file, who, "its heartbeat continues");
    if (std::max(*now - *beat, watched.elapsed()) >= patience)
      return base::text("taking over the run's lock: ", who, ", has missed ",
                        RunLock::kMissedHeartbeats, " heartbeats");
    if (!told)
      log::info(base::text(file.string(), " is held by ", who,
                           ". Waiting for its heartbeat for up to ", patience.count(), " s"));
    told = true;
    std::this_thread::sleep_for(heartbeat / 20);
  }
}

// Two starts may judge the same lock stale at the same time. Only the lock that was judged may be
// moved away.
void remove_stale_lock(const std::filesystem::path& file, const std::filesystem::path& aside,
                       const std::string& judged) {
  if (std::rename(file.c_str(), aside.c_str()) != 0) return;
  if (content_of(aside) != judged) [[maybe_unused]]
    const int restored = ::link(aside.c_str(), file.c_str());
  ::unlink(aside.c_str());
}

}  // namespace

std::optional<ProcessIdentity> lock_holder(const std::filesystem::path& file) {
  const std::optional<std::string> content = content_of(file);
  const std::optional<Holder> holder = content ? holder_in(*content) : std::nullopt;
  return holder ? std::optional(holder->process) : std::nullopt;
}

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

RunLock::RunLock(LockLocation location, const JobIdentity& job,
                 std::function<void(const std::string&)> on_loss, base::Seconds heartbeat,
                 const std::string& inherits)
    : file_(std::move(location.file)),
      made_(std::move(location.made)),
      content_(content_for(job)),
      on_loss_(std::move(on_loss)),
      heartbeat_(heartbeat) {
  take(job, inherits);
  heartbeat_thread_ = std::thread([this] { beat(); });
}

RunLock::~RunLock() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  heartbeat_thread_.join();
  if (content_of(file_) != content_) return;
  ::unlink(file_.c_str());
  if (made_.empty()) return;
  // rmdir fails if a directory is not empty.
  for (std::filesystem::path folder = file_.parent_path();
       ::rmdir(folder.c_str()) == 0 && folder != made_;)
    folder = folder.parent_path();
}

void RunLock::take(const JobIdentity& job, const std::string& inherits) {
  const std::filesystem::path own = file_.parent_path() /
                                    base::text(".lock.", own_process().host, ".", ::getpid()),
                              aside = own.string() + ".old";
  const auto cannot = [&] {
    return base::BadInput(base::text("cannot take the run's lock ", file_.string(), ": ",
                                     std::strerror(errno),
                                     ". Choose another directory with run.directory."));
  };
  const auto judge_and_tell = [&](const std::string& content) {
    const std::string reason = judge(file_, content, job, own, heartbeat_, inherits);
    if (!reason.empty() && inherits.empty()) log::info(reason);
  };
  try {
    base::write_and_sync(own, content_);
    // Creating a link is atomic, even over a network. Where the file system does not support links,
    // a rename at least leaves no partial file.
    while (::link(own.c_str(), file_.c_str()) != 0) {
      if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
        const auto before = content_of(file_);
        if (before) judge_and_tell(*before);
        if (std::rename(own.c_str(), file_.c_str()) != 0) throw cannot();
        break;
      }
      if (errno != EEXIST) throw cannot();
      const auto before = content_of(file_);
      if (!before && std::filesystem::exists(std::filesystem::symlink_status(file_)))
        throw cannot();
      if (!before) continue;
      judge_and_tell(*before);
      remove_stale_lock(file_, aside, *before);
    }
  } catch (const base::Failure& error) {
    ::unlink(own.c_str());
    throw base::BadInput(base::text("cannot take the run's lock: ", error.what(),
                                    ". Choose another directory with run.directory."));
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
    // A temporarily unreadable file may be readable at the next heartbeat.
    if (!content) continue;
    if (*content == content_) {
      touch(file_);
      continue;
    }
    lock.unlock();
    on_loss_(base::text(
        "another start of this run has taken over its lock: ", describe(holder_in(*content)),
        ". This start ends and writes nothing more."));
    return;
  }
}

}  // namespace vae_dist::run
