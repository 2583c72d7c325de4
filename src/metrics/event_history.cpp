#include "metrics/event_history.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "metrics/event_messages.hpp"
#include "metrics/event_records.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::metrics {
namespace {

constexpr char kConfiguration[] = "configuration/text_summary";

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

std::string as_markdown(const std::string& yaml) {
  std::string out = "    ";  // an indented block is code
  for (const char each : yaml) out += each == '\n' ? std::string("\n    ") : std::string(1, each);
  return out;
}

using Pictures = std::map<std::pair<std::int64_t, std::string>, std::filesystem::path>;

// The pictures of the run up to `start_step`, by step and kind.
Pictures pictures_of(const EventHistory& history) {
  Pictures out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(history.pictures, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().stem().string();
    const std::size_t underscore = name.rfind('_');
    if (at->path().extension() != ".png" || underscore == std::string::npos) continue;
    std::int64_t step = 0;
    const char* const last = name.data() + name.size();
    const auto read = std::from_chars(name.data() + underscore + 1, last, step);
    if (read.ec == std::errc() && read.ptr == last && step <= history.start_step)
      out.emplace(std::pair(step, name.substr(0, underscore)), at->path());
  }
  return out;
}

// Removes all but the newest pictures of each kind.
void keep_the_newest(Pictures& pictures) {
  std::map<std::string, std::size_t> kept;
  for (auto at = pictures.end(); at != pictures.begin();)
    if (--at; ++kept[at->first.second] > kPicturesOfEachKind) at = pictures.erase(at);
}

// Empty: it is no picture, or cannot be read, which must not keep the others from being shown.
std::string picture_event(const EventTime& at, const std::string& kind,
                          const std::filesystem::path& png) {
  try {
    return image_event(at, std::string(kPictureGroup) + kind, base::read_file(png));
  } catch (const base::BadInput&) {
    return "";
  }
}

// What a file begins with.
std::vector<std::string> head_events(const EventHistory& history, double wall_time) {
  const EventTime at{wall_time, history.start_step};
  return {version_event(wall_time), restart_event({wall_time, 0}),
          session_start_event(at, history.configuration.values),
          text_event(at, kConfiguration, as_markdown(history.configuration.yaml))};
}

// Calls `take` with each record of the log, until it returns false.
void for_each_record(const std::filesystem::path& log,
                     const std::function<bool(const LogRecord&)>& take) {
  std::ifstream file(log);
  if (!file) throw base::BadInput(base::text("cannot read ", log.string()));
  for (std::string line; std::getline(file, line) && !file.eof();)
    if (const auto record = record_in(line); record && !take(*record)) return;
}

// When the events of an earlier start happened. Only those of one step are in memory.
class EarlierTimes {
 public:
  EarlierTimes(const std::filesystem::path& file, double otherwise)
      : file_(file), time_(otherwise) {
    read_next();
    if (next_) time_ = next_->at.wall_time;
  }

  // The time of the event with this tag; of one that the file lacks, that of the event before it.
  // Steps must not decrease.
  double of(std::int64_t step, const std::string& tag) {
    if (step > step_) {
      step_ = step;
      of_step_.clear();
    }
    for (; next_ && next_->at.step <= step_; read_next())
      if (next_->at.step == step_) of_step_.emplace_back(next_->tag, next_->at.wall_time);
    const auto found = std::find_if(of_step_.begin(), of_step_.end(),
                                    [&](const auto& each) { return each.first == tag; });
    if (found != of_step_.end()) {
      time_ = std::max(time_, found->second);
      of_step_.erase(found);
    }
    return time_;
  }

 private:
  // Skips what has no place among the steps: the events at the start of a file and the last one of
  // a run that was complete.
  void read_next() {
    next_.reset();
    while (!next_ && file_.next(data_)) {
      EventHead head = head_of(data_);
      if (!head.tag.empty() && head.tag != kConfiguration && !head.tag.starts_with("_hparams_/"))
        next_ = std::move(head);
    }
  }

  RecordReader file_;
  std::string data_;
  std::optional<EventHead> next_;
  std::int64_t step_ = -1;
  std::vector<std::pair<std::string, double>> of_step_;  // tag and time, not asked for yet
  double time_;
};

}  // namespace

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

bool holds(const std::filesystem::path& file, const EventHistory& history) {
  RecordReader earlier(file);
  std::string data;
  if (!earlier.next(data)) return false;
  const double begun = head_of(data).at.wall_time;
  std::int64_t step_of_head = 0;
  const std::size_t length_of_head = head_events(history, begun).size();
  // The step of the head is that of the start which wrote it.
  EventHistory then = history;
  for (std::size_t i = 0; i < length_of_head; ++i) {
    if (i > 0 && !earlier.next(data)) return false;
    if (i == 2) step_of_head = head_of(data).at.step;
    then.start_step = step_of_head;
    if (head_events(then, begun)[i] != data) return false;
  }

  const Pictures pictures = pictures_of(history);
  Pictures missing = pictures;
  keep_the_newest(missing);
  std::map<std::string, std::size_t> shown;
  // Returns the next event that is no picture in `data`. False: a picture is wrong, or the end.
  const auto next = [&](bool& right) {
    while (earlier.next(data)) {
      const EventHead head = head_of(data);
      if (!head.tag.starts_with(kPictureGroup)) return true;
      const std::pair key(head.at.step, head.tag.substr(kPictureGroup.size()));
      const auto found = pictures.find(key);
      right = found != pictures.end() && ++shown[key.second] <= 2 * kPicturesOfEachKind &&
              picture_event(head.at, key.second, found->second) == data;
      if (!right) return false;
      missing.erase(key);
    }
    return false;
  };
  bool right = true;
  for_each_record(history.log, [&](const LogRecord& record) {
    for (const std::string& event : events_of(record, 0))
      right = right && next(right) && with_wall_time(data, 0) == event;
    return right;
  });
  return right && !next(right) && right && earlier.is_at_end() && missing.empty();
}

void for_each_event(const EventHistory& history, const std::filesystem::path& earlier,
                    double wall_time, const std::function<void(std::string_view)>& take) {
  for (const std::string& event : head_events(history, wall_time)) take(event);
  EarlierTimes times(earlier, wall_time);
  Pictures pictures = pictures_of(history);
  keep_the_newest(pictures);
  auto picture = pictures.begin();
  const auto take_pictures_before = [&](std::int64_t step) {
    for (; picture != pictures.end() && picture->first.first < step; ++picture) {
      const auto& [at, kind] = picture->first;
      const std::string event = picture_event({times.of(at, std::string(kPictureGroup) + kind), at},
                                              kind, picture->second);
      if (!event.empty()) take(event);
    }
  };
  for_each_record(history.log, [&](const LogRecord& record) {
    if (const auto step = step_of(record)) take_pictures_before(*step);
    for (const std::string& event : events_of(record, 0)) {
      const EventHead head = head_of(event);
      take(with_wall_time(event, times.of(head.at.step, head.tag)));
    }
    return true;
  });
  take_pictures_before(history.start_step + 1);
}

}  // namespace vae_dist::metrics
