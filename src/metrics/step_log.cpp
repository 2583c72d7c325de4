#include "metrics/step_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "base/write_all.hpp"

namespace vae_dist::metrics {
namespace {

// Returns the step of a line that reports a training step.
std::optional<double> trained_step(std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("loss") || object.contains("evaluated"))
    return std::nullopt;
  const auto step = object.find("step");
  if (step == object.end() || !step->is_number()) return std::nullopt;
  return step->get<double>();
}

bool belongs(std::string_view line, std::int64_t resume_step, bool evaluates_again) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return false;
  const auto step = object.find("step");
  if (step == object.end() || !step->is_number()) return true;
  const double number = step->get<double>(), last = static_cast<double>(resume_step);
  return number < last || (number == last && !(evaluates_again && object.contains("evaluated")));
}

using nlohmann::ordered_json;

template <typename Plain>
ordered_json to_json(const Plain& plain) {
  return plain;
}

ordered_json to_json(const PlainRecord& record) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : record)
    std::visit([&](const auto& plain) { object[name] = plain; }, value);
  return object;
}

ordered_json to_json(const std::vector<PlainRecord>& records) {
  ordered_json array = ordered_json::array();
  for (const PlainRecord& record : records) array.push_back(to_json(record));
  return array;
}

}  // namespace

std::string json_line(const LogRecord& record) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : record)
    std::visit([&](const auto& any) { object[name] = to_json(any); }, value);
  return base::json_text(object) + "\n";
}

std::optional<LogRecord> record_in(std::string_view line) {
  const auto object = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const auto number = [](const ordered_json& value) {
    return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
  };
  LogRecord out;
  for (const auto& [name, value] : object.items()) {
    if (value.is_number_integer()) {
      out.emplace_back(name, value.get<std::int64_t>());
    } else if (value.is_number() || value.is_null()) {
      out.emplace_back(name, number(value));
    } else if (value.is_string()) {
      out.emplace_back(name, value.get<std::string>());
    } else if (value.is_array() && !value.empty() && !value[0].is_object()) {
      std::vector<double> numbers;
      for (const ordered_json& each : value) numbers.push_back(number(each));
      out.emplace_back(name, std::move(numbers));
    }
  }
  return out;
}

std::string lines_up_to(std::string_view log, std::int64_t resume_step, bool evaluates_again) {
  std::string kept;
  while (!log.empty()) {
    // A last line without a newline was cut off, even if the rest happens to parse.
    const std::size_t end = log.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = log.substr(0, end + 1);
    if (belongs(line, resume_step, evaluates_again)) kept += line;
    log.remove_prefix(line.size());
  }
  return kept;
}

std::string lines_after(std::string_view log, std::string_view last_steps) {
  if (last_steps.empty()) return "";
  double last = 0;
  const auto each_line = [](std::string_view text, const auto& use) {
    for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1))
      use(text.substr(0, end + 1));
  };
  each_line(log, [&](std::string_view line) {
    if (const auto step = trained_step(line)) last = std::max(last, *step);
  });
  std::string out;
  each_line(last_steps, [&](std::string_view line) {
    if (const auto step = trained_step(line); step && *step > last) out += line;
  });
  return out;
}

StepLog::StepLog(const std::filesystem::path& path, std::int64_t resume_step, bool evaluates_again,
                 std::string_view last_steps)
    : path_(path) {
  const bool exists = std::filesystem::exists(path_);
  if (exists || !last_steps.empty()) {
    const std::string before = exists ? base::read_file(path_) : "";
    std::string kept = lines_up_to(before, resume_step, evaluates_again);
    kept += lines_after(kept, lines_up_to(last_steps, resume_step));
    if (kept != before) base::replace_file(path_, kept);
  }
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0)
    throw base::BadInput(
        base::text("cannot open ", path_.string(), " for appending: ", std::strerror(errno)));
}

StepLog::~StepLog() { ::close(fd_); }

void StepLog::write(const LogRecord& record) {
  const off_t end_before = ::lseek(fd_, 0, SEEK_END);
  if (base::write_all(fd_, json_line(record))) return;
  const int reason = errno;
  // A partial line would also corrupt the next one. Truncating works even on a full disk.
  const bool whole = end_before >= 0 && ::ftruncate(fd_, end_before) == 0;
  if (!failed_) {
    log::warn(base::text("cannot write ", path_.string(), ": ", std::strerror(reason),
                         "; training continues, but the log ",
                         whole ? "lacks some steps" : "has a damaged line"));
  }
  failed_ = true;
}

}  // namespace vae_dist::metrics
