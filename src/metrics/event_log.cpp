#include "metrics/event_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/host_name.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "metrics/event_records.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.", kPictures = "pictures/";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool has(const LogRecord& record, std::string_view name) {
  return std::any_of(record.begin(), record.end(),
                     [&](const auto& each) { return each.first == name; });
}

// Which group of curves a record belongs to.
std::string group_of(const LogRecord& record) {
  for (const auto& [name, value] : record)
    if (name == "evaluated") {
      const auto* const on = std::get_if<std::string>(&value);
      return on && *on == "validation" ? "validation/" : "training_rows/";
    }
  return has(record, "loss") ? "train/" : "run/";
}

std::optional<std::int64_t> step_of(const LogRecord& record) {
  for (const auto& [name, value] : record)
    if (const auto* const step = std::get_if<std::int64_t>(&value); step && name == "step")
      return *step;
  return std::nullopt;
}

// The numbers of a record as points of curves, and its arrays.
struct Points {
  TaggedValues scalars;
  std::vector<std::pair<std::string, std::vector<double>>> histograms;
};

Points points_of(const LogRecord& record) {
  Points out;
  const std::string group = group_of(record);
  for (const auto& [name, value] : record) {
    if (name == "step") continue;
    const std::string tag =
        group + (group == "train/" || group == "run/" ? name : name_beside_a_step(name));
    if (const auto* const whole = std::get_if<std::int64_t>(&value))
      out.scalars.emplace_back(tag, static_cast<double>(*whole));
    else if (const auto* const real = std::get_if<double>(&value))
      out.scalars.emplace_back(tag, *real);
    else if (const auto* const array = std::get_if<std::vector<double>>(&value))
      out.histograms.emplace_back(tag, *array);
  }
  return out;
}

std::vector<std::string> events_of(const LogRecord& record, double wall_time) {
  const std::optional<std::int64_t> step = step_of(record);
  std::vector<std::string> out;
  if (!step) return out;
  const EventTime at{wall_time, *step};
  const Points points = points_of(record);
  if (!points.scalars.empty()) out.push_back(scalars_event(at, points.scalars));
  for (const auto& [tag, values] : points.histograms)
    out.push_back(histogram_event(at, tag, values));
  return out;
}

// The events of earlier starts, in the order in which they were written.
std::vector<std::string> earlier_events(const std::vector<std::filesystem::path>& files) {
  std::vector<std::string> out;
  for (const std::filesystem::path& file : files) {
    const std::string content = base::read_file(file);
    for (const std::string_view event : records_in(content)) out.emplace_back(event);
  }
  return out;
}

using Key = std::pair<std::int64_t, std::string>;  // the step and the first tag of an event

Key key_of(const EventHead& head) { return {head.at.step, head.tag}; }

// Returns the events up to `start_step` as a file's records: those of `earlier` that belong to
// lines of `log` or are pictures, and what `log` holds beyond them, by step.
std::string joined(const std::vector<std::string>& earlier, std::string_view log,
                   std::int64_t start_step) {
  std::map<Key, std::size_t> of_log;  // how many there are
  std::vector<std::pair<Key, std::string>> logged;
  for (std::size_t end = 0; (end = log.find('\n')) != std::string_view::npos;
       log.remove_prefix(end + 1))
    if (const auto record = record_in(log.substr(0, end)))
      for (std::string& event : events_of(*record, 0)) {
        const Key key = key_of(head_of(event));
        ++of_log[key];
        logged.emplace_back(key, std::move(event));
      }
  std::vector<std::pair<std::int64_t, std::string>> all;
  std::set<Key> pictures;
  for (const std::string& event : earlier) {
    const EventHead head = head_of(event);
    if (head.tag.starts_with(kPictures)) {
      if (head.at.step <= start_step && pictures.insert(key_of(head)).second)
        all.emplace_back(head.at.step, event);
    } else if (const auto found = of_log.find(key_of(head));
               found != of_log.end() && found->second > 0) {
      --found->second;
      all.emplace_back(head.at.step, event);
    }
  }
  for (auto& [key, event] : logged)
    if (std::size_t& missing = of_log[key]; missing > 0) {
      --missing;
      all.emplace_back(key.first, std::move(event));
    }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // What comes from the log has no time of its own: it takes that of the event before it.
  double wall_time = now();
  const auto timed = [](const auto& each) { return head_of(each.second).at.wall_time > 0; };
  if (const auto first = std::find_if(all.begin(), all.end(), timed); first != all.end())
    wall_time = head_of(first->second).at.wall_time;
  std::string out;
  for (const auto& each : all) {
    if (timed(each)) wall_time = head_of(each.second).at.wall_time;
    append_record(out, timed(each) ? each.second : with_wall_time(each.second, wall_time));
  }
  return out;
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
  return folder / base::text(kPrefix, seconds, ".", base::host_name(), ".", ::getpid(), ".0");
}

std::string as_markdown(const std::string& yaml) {
  std::string out = "    ";  // an indented block is code
  for (const char each : yaml) out += each == '\n' ? std::string("\n    ") : std::string(1, each);
  return out;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& folder, const std::filesystem::path& log,
                   std::int64_t start_step, const ShownConfiguration& configuration)
    : path_(folder) {
  try {
    begin(folder, log, start_step, configuration);
  } catch (const std::exception& error) {
    warn(error.what());
  }
  if (fd_ >= 0) writer_ = std::thread([this] { keep_writing(); });
}

void EventLog::begin(const std::filesystem::path& folder, const std::filesystem::path& log,
                     std::int64_t start_step, const ShownConfiguration& configuration) {
  std::filesystem::create_directories(folder);
  std::vector<std::filesystem::path> files, others;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix))
      files.push_back(entry.path());
    else if (name.find(kPrefix) != std::string::npos)
      others.push_back(entry.path());  // left by a start that was killed while it wrote
  }
  std::sort(files.begin(), files.end());

  const EventTime at{now(), start_step};
  std::string content;
  append_record(content, version_event(at.wall_time));
  append_record(content, restart_event({at.wall_time, 0}));
  append_record(content, session_start_event(at, configuration.values));
  append_record(content,
                text_event(at, "configuration/text_summary", as_markdown(configuration.yaml)));
  content += joined(earlier_events(files), base::read_file(log), start_step);
  path_ = next_file(folder, files);
  base::replace_file(path_, content);
  // TensorBoard never leaves a file that vanishes while it waits for more of it. So the last one is
  // emptied, and goes with the next start.
  for (const std::filesystem::path& file : files)
    if (std::filesystem::file_size(file) > 0)
      std::filesystem::resize_file(file, 0);
    else
      others.push_back(file);
  for (const std::filesystem::path& file : others) std::filesystem::remove(file);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0)
    throw base::Failure(base::text("cannot open ", path_.string(), ": ", std::strerror(errno)));
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
  add(image_event({now(), step}, std::string(kPictures) + kind, base::read_file(png)));
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
  if (write_all(fd_, records)) return;
  const std::string reason = std::strerror(errno);
  // Readers stop at a record that is cut off. Truncating works even on a full disk.
  const bool whole = end_before >= 0 && ::ftruncate(fd_, end_before) == 0;
  warn(base::text("cannot write ", path_.string(), ": ", reason,
                  whole ? "" : " (its last record is damaged)"));
}

void EventLog::warn(const std::string& reason) {
  if (!warned_)
    log::warn(base::text(reason,
                         "; training continues, but TensorBoard's curves lack some steps "
                         "until the run is started again"));
  warned_ = true;
}

}  // namespace vae_dist::metrics
