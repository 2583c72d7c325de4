#include "metrics/event_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/host_name.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/write_all.hpp"
#include "metrics/event_messages.hpp"
#include "metrics/event_records.hpp"

namespace vae_dist::metrics {
namespace {

// The mark ends the names of this program's files, as SummaryWriter's filename_suffix does: others
// may write their own event files into the folder, which stay as they are. Readers take every file
// with "tfevents" in its name, so a scratch file has none.
constexpr std::string_view kPrefix = "events.out.tfevents.", kMark = ".vae_dist",
                           kScratch = ".next_event_file.vae_dist.";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Readers take the files of a folder in the order of their names, and one that is reading goes on
// with files after the one that it reads. So the new name must be the last.
std::filesystem::path next_file(const std::filesystem::path& folder,
                                const std::vector<std::filesystem::path>& files) {
  auto seconds = static_cast<std::int64_t>(now());
  for (const std::filesystem::path& file : files) {
    const std::string name = file.filename().string();
    std::int64_t taken = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), taken);
    seconds = std::max(seconds, taken + 1);
  }
  return folder /
         base::text(kPrefix, seconds, ".", base::host_name(), ".", ::getpid(), ".0", kMark);
}

base::Failure failure(const char* what, const std::filesystem::path& path) {
  return base::Failure(base::text(what, path.string(), ": ", std::strerror(errno)));
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& folder, const EventHistory& history)
    : path_(folder) {
  try {
    begin(folder, history);
    start_writing();
  } catch (const std::exception& error) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    warn(error.what());
  }
}

void EventLog::begin(const std::filesystem::path& folder, const EventHistory& history) {
  std::filesystem::create_directories(folder);
  std::vector<std::filesystem::path> own, all;  // event files
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix)) all.push_back(entry.path());
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    if (name.starts_with(kPrefix) && name.ends_with(kMark))
      own.push_back(entry.path());
    else if (name.starts_with(kScratch))  // left by a start that was killed while it wrote
      std::filesystem::remove(entry.path());
  }
  std::sort(own.begin(), own.end());
  std::filesystem::path last;  // the file of the start before this one
  for (const std::filesystem::path& file : own)
    if (std::filesystem::file_size(file) > 0) last = file;
  if (!last.empty() && holds(last, history)) {
    path_ = last;
  } else {
    path_ = next_file(folder, all);
    write_anew(folder, history, last);
    // TensorBoard never leaves a file that vanishes while it waits for more of it. So the last one
    // is emptied, and goes when the next one is written.
    for (const std::filesystem::path& file : own)
      if (std::filesystem::file_size(file) > 0)
        std::filesystem::resize_file(file, 0);
      else
        std::filesystem::remove(file);
  }
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) throw failure("cannot open ", path_);
}

void EventLog::write_anew(const std::filesystem::path& folder, const EventHistory& history,
                          const std::filesystem::path& earlier) {
  const std::filesystem::path scratch = folder / base::text(kScratch, ::getpid());
  fd_ = ::open(scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) throw failure("cannot open ", scratch);
  try {
    std::string records;
    const auto flush = [&] {
      if (!base::write_all(fd_, records)) throw failure("cannot write ", scratch);
      records.clear();
    };
    for_each_event(history, earlier, now(), [&](std::string_view event) {
      constexpr std::size_t kMuch = 1 << 20;
      append_record(records, event);
      if (records.size() > kMuch) flush();
    });
    flush();
    if (::fsync(fd_) != 0) throw failure("cannot write ", scratch);
    const int closed = ::close(std::exchange(fd_, -1));
    if (closed != 0) throw failure("cannot write ", scratch);
    std::filesystem::rename(scratch, path_);
  } catch (...) {
    ::unlink(scratch.c_str());
    throw;
  }
  base::sync_directory(folder);
}

void EventLog::start_writing() {
  try {
    writer_ = std::thread([this] { keep_writing(); });
  } catch (const std::system_error& error) {
    throw base::Failure(
        base::text("cannot start the thread that writes ", path_.string(), ": ", error.what()));
  }
}

EventLog::~EventLog() {
  if (fd_ < 0) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  writer_.join();
  ::close(fd_);
}

void EventLog::write(const LogRecord& record) {
  for (const std::string& event : events_of(record, now())) add(event);
}

void EventLog::picture(const std::string& kind, std::int64_t step,
                       const std::filesystem::path& png) {
  if (fd_ < 0) return;
  try {
    add(image_event({now(), step}, std::string(kPictureGroup) + kind, base::read_file(png)));
  } catch (const base::BadInput& error) {
    warn(error.what());
  }
}

void EventLog::complete(std::int64_t step) { add(session_end_event({now(), step})); }

void EventLog::add(const std::string& event) {
  if (fd_ < 0) return;
  const std::lock_guard lock(mutex_);
  append_record(pending_, event);
}

void EventLog::keep_writing() {
  for (bool last = false; !last;) {
    std::string records;
    {
      std::unique_lock lock(mutex_);
      last = changed_.wait_for(lock, kInterval, [this] { return ending_; });
      records.swap(pending_);
    }
    if (!records.empty()) write_out(records);
  }
}

void EventLog::write_out(const std::string& records) {
  const off_t end_before = ::lseek(fd_, 0, SEEK_END);
  if (base::write_all(fd_, records)) return;
  const std::string reason = std::strerror(errno);
  // Readers stop at a record that is cut off. Truncating works even on a full disk.
  const bool whole = end_before >= 0 && ::ftruncate(fd_, end_before) == 0;
  warn(base::text("cannot write ", path_.string(), ": ", reason,
                  whole ? "" : " (its last record is damaged)"));
}

void EventLog::warn(const std::string& reason) {
  if (!warned_.exchange(true))
    log::warn(base::text(reason,
                         "; training continues, but TensorBoard's curves lack some steps "
                         "until the run is started again"));
}

}  // namespace vae_dist::metrics
