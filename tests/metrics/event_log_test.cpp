#include "metrics/event_log.hpp"

#include <gmock/gmock.h>
#include <pthread.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "../temporary_folder.hpp"
#include "base/durable_file.hpp"
#include "metrics/event_log.hpp"
#include "metrics/event_messages.hpp"
#include "metrics/event_records.hpp"

namespace vae_dist::metrics {
namespace {

using Steps = std::vector<std::int64_t>;

class EventLogFolder : public TemporaryFolderTest {
 protected:
  std::filesystem::path folder() const { return path("tensorboard"); }
  std::filesystem::path log() const { return path("metrics.jsonl"); }

  std::filesystem::path pictures() const { return path("pictures"); }

  static LogRecord step(std::int64_t number) {
    return step(number, 1.0 / static_cast<double>(number));
  }
  static LogRecord step(std::int64_t number, double loss) {
    return {{"step", number}, {"loss", loss}};
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
    EventLog events(folder(), {log(), pictures(), start_step, configuration_});
    for (const LogRecord& record : records) {
      lines.write(record);
      events.write(record);
      if (draws_) events.picture("samples", number_of(record), draw(number_of(record)));
    }
    for (const LogRecord& record : to_log_alone) lines.write(record);
  }

  static std::int64_t number_of(const LogRecord& record) {
    return std::get<std::int64_t>(record.at(0).second);
  }

  // The content of a picture file, as far as it is read here.
  static std::string png(char what) {
    return std::string("\x89PNG\r\n\x1a\n", 8) + std::string(40, what);
  }

  std::filesystem::path draw(std::int64_t number, char what = 2) const {
    std::filesystem::create_directories(pictures());
    const std::filesystem::path file = pictures() / base::text("samples_0000", number, ".png");
    base::write_and_sync(file, png(what));
    return file;
  }

  // What differs in another configuration makes the next start write its file anew.
  void change_configuration() { configuration_.yaml += "b: 2\n"; }

  // All events of the one file.
  std::vector<std::string> events() const {
    const std::string content = base::read_file(event_files().at(0));
    std::vector<std::string> out;
    for (const std::string_view event : records_in(content)) out.emplace_back(event);
    return out;
  }

  // Whether there is such an event, at whatever time.
  bool has(const std::string& event) const {
    const auto all = events();
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& each) { return with_wall_time(each, 0) == event; });
  }

  bool has_loss(std::int64_t number, double loss) const {
    return has(scalars_event({0, number}, {{"train/loss", loss}}));
  }

  ShownConfiguration configuration_{"a: 1\n", {{"a", "1"}}};
  bool draws_ = false;  // a picture at each step

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

TEST_F(EventLogFolder, HasNoValueOfALostBranch) {
  start(0, {step(1), step(2), step(3), step(4)});
  const double time_of_three = head_of(events().at(6)).at.wall_time;
  ASSERT_EQ(head_of(events().at(6)).at.step, 3);
  {
    StepLog without_event_file(log(), 2);
    without_event_file.write(step(3, 30));
    without_event_file.write(step(4, 40));
  }
  start(4, {step(5)});
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3, 4, 5}));
  EXPECT_TRUE(has_loss(3, 30));
  EXPECT_TRUE(has_loss(4, 40));
  EXPECT_EQ(head_of(events().at(6)).at.wall_time, time_of_three);
}

TEST_F(EventLogFolder, HasThePicturesThatTheRunKeeps) {
  draws_ = true;
  start(0, {step(1), step(2), step(3), step(4)});
  EXPECT_EQ(curves().at("pictures/samples"), (Steps{1, 2, 3, 4}));
  // One was drawn again in a branch without event files, one is missing from the event file.
  draw(2, 6);
  start(3, {});
  EXPECT_EQ(curves().at("pictures/samples"), (Steps{1, 2, 3}));
  EXPECT_TRUE(has(image_event({0, 2}, "pictures/samples", png(6))));
  EXPECT_FALSE(has(image_event({0, 2}, "pictures/samples", png(2))));
  std::filesystem::remove_all(folder());
  start(3, {});
  EXPECT_EQ(curves().at("pictures/samples"), (Steps{1, 2, 3}));
}

TEST_F(EventLogFolder, ANewFileHasTheNewestPictures) {
  draws_ = true;
  constexpr auto kKept = static_cast<std::int64_t>(kPicturesOfEachKind);
  std::vector<LogRecord> records;
  Steps newest;
  for (std::int64_t number = 1; number <= 2 * kKept + 1; ++number) {
    records.push_back(step(number));
    if (number > kKept + 1) newest.push_back(number);
  }
  start(0, records);
  EXPECT_EQ(curves().at("pictures/samples").size(), records.size());
  start(2 * kKept + 1, {});
  EXPECT_EQ(curves().at("pictures/samples"), newest);
  EXPECT_EQ(curves().at("train/loss").size(), records.size());
}

TEST_F(EventLogFolder, AFileThatLacksNothingIsContinued) {
  draws_ = true;
  start(0, {step(1), evaluation(1), step(2)});
  const auto first = event_files();
  const std::string content = base::read_file(first.at(0));
  start(2, {step(3)});
  EXPECT_EQ(event_files(), first);
  EXPECT_TRUE(base::read_file(first.at(0)).starts_with(content));
  EXPECT_EQ(curves().at("train/loss"), (Steps{1, 2, 3}));
  EXPECT_EQ(curves().at("configuration/text_summary"), (Steps{0}));
  start(2, {});
  EXPECT_NE(event_files(), first) << "a step was lost";
  const auto second = event_files();
  draw(1, 6);
  start(2, {});
  EXPECT_NE(event_files(), second) << "a picture has changed";
  const auto third = event_files();
  change_configuration();
  start(2, {});
  EXPECT_NE(event_files(), third) << "the configuration has changed";
}

TEST_F(EventLogFolder, LeavesTheFilesOfOthersAlone) {
  start(0, {step(1)});
  const std::string mark = event_files().at(0).extension().string();
  const std::vector<std::string> others = {
      "events.out.tfevents.1.host.1.0", "events.out.tfevents.2.host.1.0.profile-empty",
      "my.events.out.tfevents.3.host.1.0" + mark, ".events.out.tfevents.4.host.1.0.11"};
  for (const std::string& name : others) base::write_and_sync(folder() / name, "another's");
  base::write_and_sync(path("elsewhere"), "another's");
  const std::filesystem::path link = folder() / ("events.out.tfevents.5.host.1.0" + mark);
  std::filesystem::create_symlink(path("elsewhere"), link);
  std::filesystem::create_directory(folder() / ("events.out.tfevents.6.host.1.0" + mark));
  base::write_and_sync(folder() / ".next_event_file.vae_dist.77", "left by a killed start");
  for (int i = 0; i < 2; ++i) {
    change_configuration();
    start(1, {});
  }
  for (const std::string& name : others)
    EXPECT_EQ(base::read_file(folder() / name), "another's") << name;
  EXPECT_EQ(base::read_file(link), "another's");
  EXPECT_TRUE(std::filesystem::is_directory(folder() / ("events.out.tfevents.6.host.1.0" + mark)));
  EXPECT_FALSE(std::filesystem::exists(folder() / ".next_event_file.vae_dist.77"));
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
  change_configuration();
  start(1, {step(2)});
  EXPECT_GT(event_files().at(0).filename().string(), first);
}

TEST_F(EventLogFolder, EmptiesTheFileOfTheLastStartAndRemovesThoseBeforeIt) {
  for (std::int64_t number = 0; number < 4; ++number) {
    change_configuration();
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

TEST_F(EventLogFolder, IsOnlyMissingIfNoThreadCanBeStarted) {
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  constexpr std::size_t kMoreThanThereIs = std::size_t{1} << 47;
  ASSERT_EQ(pthread_attr_setstacksize(&huge, kMoreThanThereIs), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  testing::internal::CaptureStderr();
  EXPECT_NO_THROW(start(0, {step(1), step(2)}));
  const std::string said = testing::internal::GetCapturedStderr();
  pthread_setattr_default_np(&before);
  EXPECT_THAT(said, testing::HasSubstr("cannot start the thread"));
  EXPECT_EQ(lines_up_to(base::read_file(log()), 2), json_line(step(1)) + json_line(step(2)));
}

}  // namespace
}  // namespace vae_dist::metrics
