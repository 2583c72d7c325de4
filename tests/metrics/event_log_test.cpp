#include "metrics/event_log.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "../temporary_folder.hpp"
#include "base/durable_file.hpp"
#include "metrics/event_records.hpp"

namespace vae_dist::metrics {
namespace {

using Steps = std::vector<std::int64_t>;

class EventLogFolder : public TemporaryFolderTest {
 protected:
  std::filesystem::path folder() const { return path("tensorboard"); }
  std::filesystem::path log() const { return path("metrics.jsonl"); }

  static LogRecord step(std::int64_t number) {
    return {{"step", number}, {"loss", 1.0 / static_cast<double>(number)}};
  }
  static LogRecord evaluation(std::int64_t number) {
    return {{"step", number},
            {"evaluated", std::string("validation")},
            {"evaluation_loss", 0.5},
            {"kld_per_dimension", std::vector<double>{1, 2}}};
  }

  // What a start of the run from `start_step` does: cuts the log back, then writes the records to
  // both.
  void start(std::int64_t start_step, const std::vector<LogRecord>& records,
             const std::vector<LogRecord>& to_log_alone = {}) {
    StepLog lines(log(), start_step);
    EventLog events(folder(), log(), start_step, {"a: 1\n", {{"a", "1"}}});
    for (const LogRecord& record : records) {
      lines.write(record);
      events.write(record);
    }
    for (const LogRecord& record : to_log_alone) lines.write(record);
  }

  std::vector<std::filesystem::path> event_files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
      if (entry.file_size() > 0) out.push_back(entry.path());
    return out;
  }

  // The steps of each tag, in the order of the file. There is one file.
  std::map<std::string, Steps> curves() const {
    EXPECT_EQ(event_files().size(), 1u);
    const std::string content = base::read_file(event_files().at(0));
    std::map<std::string, Steps> out;
    for (const std::string_view event : records_in(content)) {
      const EventHead head = head_of(event);
      if (!head.tag.empty()) out[head.tag].push_back(head.at.step);
    }
    return out;
  }
};

TEST_F(EventLogFolder, HoldsEveryRecordAndTheConfiguration) {
  start(0, {step(1), step(2), evaluation(2), {{"step", std::int64_t{2}}, {"joules", 4.0}}});
  const auto found = curves();
  EXPECT_EQ(found.at("train/loss"), (Steps{1, 2}));
  EXPECT_EQ(found.at("validation/loss"), (Steps{2}));
  EXPECT_EQ(found.at("validation/kld_per_dimension"), (Steps{2}));
  EXPECT_EQ(found.at("run/joules"), (Steps{2}));
  EXPECT_EQ(found.at("_hparams_/session_start_info"), (Steps{0}));
  EXPECT_EQ(found.at("configuration/text_summary"), (Steps{0}));
}

TEST_F(EventLogFolder, OfAResumedRunDoesNotDoubleBack) {
  start(0, {step(1), step(2), step(3), evaluation(3), step(4), evaluation(4)});
  start(2, {step(3), step(4), step(5)});
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3, 4, 5}));
  EXPECT_EQ(curves().count("validation/loss"), 0u);
  EXPECT_EQ(curves().at("configuration/text_summary"), (Steps{2}));
}

TEST_F(EventLogFolder, MakesUpForWhatItLacks) {
  start(0, {step(1), evaluation(1), step(2)}, {step(3), evaluation(3)});
  start(3, {step(4)});
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3, 4}));
  EXPECT_EQ(curves().at("validation/loss"), (Steps{1, 3}));
  std::filesystem::remove_all(folder());
  start(4, {step(5)});
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3, 4, 5}));
}

TEST_F(EventLogFolder, SurvivesARecordThatWasCutOff) {
  start(0, {step(1), step(2)});
  const std::filesystem::path file = event_files().at(0);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 5);
  start(2, {step(3)});
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3}));
}

TEST_F(EventLogFolder, GivesEachStartALaterName) {
  start(0, {step(1)});
  const std::string first = event_files().at(0).filename().string();
  start(1, {step(2)});
  EXPECT_GT(event_files().at(0).filename().string(), first);
}

TEST_F(EventLogFolder, EmptiesTheFileOfTheLastStartAndRemovesThoseBeforeIt) {
  for (std::int64_t number = 0; number < 4; ++number) {
    start(number, {step(number + 1)});
    const auto all = std::filesystem::directory_iterator(folder());
    EXPECT_EQ(std::distance(begin(all), end(all)), number == 0 ? 1 : 2);
    EXPECT_EQ(event_files().size(), 1u);
  }
}

TEST_F(EventLogFolder, IsOnlyMissingIfItCannotBeMade) {
  base::write_and_sync(path("tensorboard"), "a file where the folder should be");
  testing::internal::CaptureStderr();
  start(0, {step(1), step(2)});
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, testing::HasSubstr("training continues"));
  EXPECT_EQ(lines_up_to(base::read_file(log()), 2), json_line(step(1)) + json_line(step(2)));
}

}  // namespace
}  // namespace vae_dist::metrics
