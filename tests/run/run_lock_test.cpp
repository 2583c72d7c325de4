// Tests the lock of a run directory with a fast heartbeat. tests/faults/lock_test.py covers
// processes that die.
#include "run/run_lock.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "../temporary_folder.hpp"
#include "base/durable_file.hpp"

namespace vae_dist::run {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr base::Seconds kFast{0.2}, kHangs{600};

class RunLockTest : public TemporaryFolderTest {
 protected:
  std::string file() const { return path("lock.json"); }

  RunLock lock(const JobIdentity& job = {}, base::Seconds heartbeat = kFast) {
    return RunLock(
        {file(), ""}, job,
        [this](const std::string& loss) {
          loss_ = loss;
          lost_ = true;
        },
        heartbeat);
  }

  nlohmann::json content() const { return nlohmann::json::parse(base::read_file(file())); }

  // Writes the lock of another process.
  void write(const nlohmann::json& changes) {
    nlohmann::json other = {{"host", "elsewhere"}, {"processes", "pid:[1]"}, {"pid", 1},
                            {"process_start", 7},  {"job", "theirs"},        {"restart", 3},
                            {"started", "then"}};
    other.update(changes);
    base::replace_file(file(), other.dump());
  }

  bool lost_within(base::Seconds time) const {
    for (const base::Stopwatch watch; !lost_ && watch.elapsed() < time;)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return lost_;
  }

  std::atomic<bool> lost_ = false;
  std::string loss_;
};

// After a failure another rank of the same start writes the last checkpoint, whether or not rank 0,
// which held the lock, is alive.
TEST_F(RunLockTest, IsInheritedByAnotherRankOfItsStartAndByNobodyElse) {
  write({{"host", "elsewhere"}});
  const std::string before = base::read_file(file());
  const auto inherit = [&](const std::string& content) {
    return RunLock({file(), ""}, {"theirs", 3}, [](const std::string&) {}, kFast, content);
  };
  EXPECT_THAT(refusal([&] { inherit("another start's"); }), HasSubstr("is in use"));
  EXPECT_EQ(base::read_file(file()), before);
  {
    const RunLock inherited = inherit(before);
    EXPECT_EQ(content()["pid"], ::getpid());
    EXPECT_EQ(base::read_file(file()), inherited.content());
    EXPECT_THAT(refusal([&] { inherit(before); }), HasSubstr("is in use"));
  }
  EXPECT_THAT(files(), IsEmpty());
  const RunLock free = inherit(before);  // rank 0 had removed its own
  EXPECT_EQ(content()["pid"], ::getpid());
}

TEST_F(RunLockTest, IsThereWhileItIsHeldAndNothingElseIs) {
  {
    const RunLock held = lock({"job 5", 2});
    EXPECT_THAT(files(), testing::ElementsAre("lock.json"));
    EXPECT_EQ(content()["pid"], ::getpid());
    EXPECT_EQ(content()["job"], "job 5");
    EXPECT_EQ(content()["restart"], 2);
    EXPECT_GT(content()["process_start"], 0);
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(RunLockTest, TakesDirectoriesAwayThatWereMadeForItAndStayedEmpty) {
  for (const std::string used : {"", "runs/other", "runs/name/config.yaml"}) {
    std::filesystem::create_directories(path("runs/name"));
    {
      const RunLock held(
          {path("runs/name/lock.json"), path("runs")}, {}, [](const std::string&) { FAIL(); },
          kFast);
      if (!used.empty()) base::replace_file(path(used), "");
    }
    EXPECT_EQ(std::filesystem::exists(path("runs/name")), used == "runs/name/config.yaml") << used;
    EXPECT_EQ(std::filesystem::exists(path("runs")), !used.empty()) << used;
    std::filesystem::remove_all(path("runs"));
  }
  // Directories that already existed remain.
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(file()).parent_path()));
}

TEST_F(RunLockTest, OfALiveProcessIsRefusedWithWhoItIs) {
  const RunLock held = lock({"first", 0});
  const std::string message = refusal([&] { lock({"second", 9}); });
  EXPECT_THAT(message, HasSubstr(base::text("is in use: process ", ::getpid(), " on ")));
  EXPECT_THAT(message, HasSubstr("job first, restart 0"));
  EXPECT_THAT(message, HasSubstr("that process is alive"));
  EXPECT_THAT(files(), testing::ElementsAre("lock.json"));
  EXPECT_EQ(content()["job"], "first");
}

TEST_F(RunLockTest, OfTheSameJobGoesToTheLaterStartAloneAndTheEarlierOneHearsOfIt) {
  const RunLock held = lock({"job", 1});
  EXPECT_NE(refusal([&] { lock({"job", 1}); }), "not refused");
  EXPECT_NE(refusal([&] { lock({"job", 0}); }), "not refused");
  EXPECT_FALSE(lost_);
  {
    const RunLock later({file(), ""}, {"job", 2}, [](const std::string&) { FAIL(); }, kFast);
    EXPECT_TRUE(lost_within(kHangs));
    EXPECT_THAT(loss_, HasSubstr("another start of this run has taken over its lock: process"));
    EXPECT_EQ(content()["restart"], 2);
  }
}

TEST_F(RunLockTest, ThatWasLostIsNotTakenAwayFromTheNewOwner) {
  {
    const RunLock held = lock({"job", 1});
    write(nlohmann::json::object());
    EXPECT_TRUE(lost_within(kHangs));
  }
  EXPECT_EQ(content()["job"], "theirs");
}

TEST_F(RunLockTest, OfAnotherHostIsRefusedWhenItsHeartBeats) {
  write(nlohmann::json::object());
  std::atomic<bool> done = false;
  std::thread heart([&] {
    while (!done) {
      std::this_thread::sleep_for(kFast / 20);
      std::filesystem::last_write_time(file(), std::filesystem::file_time_type::clock::now());
    }
  });
  // The timeout is long enough for a heartbeat even on a busy machine.
  EXPECT_THAT(refusal([&] { lock({}, base::Seconds(10)); }), HasSubstr("its heartbeat continues"));
  done = true;
  heart.join();
  EXPECT_EQ(content()["job"], "theirs");
}

TEST_F(RunLockTest, OfAnotherHostIsTakenOverAfterThreeMissedHeartbeats) {
  for (const nlohmann::json& changes :
       {nlohmann::json::object(), nlohmann::json{{"pid", "damaged"}}}) {
    write(changes);
    const base::Stopwatch watch;
    const RunLock held = lock({"ours", 0});
    EXPECT_GT(watch.elapsed(), 2 * kFast);
    EXPECT_EQ(content()["job"], "ours");
  }
}

// The clock of the host or of the file server that wrote the lock was ahead.
TEST_F(RunLockTest, FromTheFutureIsTakenOverAfterThreeMissedHeartbeatsToo) {
  write(nlohmann::json::object());
  std::filesystem::last_write_time(
      file(), std::filesystem::file_time_type::clock::now() + std::chrono::hours(24));
  const RunLock held = lock({"ours", 0});
  EXPECT_EQ(content()["job"], "ours");
}

TEST_F(RunLockTest, InADirectoryThatIsNotThereIsBadInputThatNamesIt) {
  EXPECT_THAT(
      refusal([&] { RunLock({path("none/lock.json"), ""}, {}, [](const std::string&) {}); }),
      HasSubstr(path("none")));
}

TEST(JobFromEnvironment, IsTheLaunchersBeforeSlurms) {
  ::unsetenv("VAE_DIST_JOB_ID");
  ::unsetenv("SLURM_JOB_ID");
  EXPECT_EQ(job_from_environment().id, "");
  ::setenv("SLURM_JOB_ID", "77", 1);
  EXPECT_EQ(job_from_environment().id, "slurm-77");
  EXPECT_EQ(job_from_environment().restart, 0);
  ::setenv("SLURM_RESTART_COUNT", "2", 1);
  EXPECT_EQ(job_from_environment().restart, 2);
  ::setenv("VAE_DIST_JOB_ID", "mine", 1);
  ::setenv("VAE_DIST_JOB_RESTART", "5", 1);
  EXPECT_EQ(job_from_environment().id, "mine");
  EXPECT_EQ(job_from_environment().restart, 5);
  for (const char* name :
       {"VAE_DIST_JOB_ID", "VAE_DIST_JOB_RESTART", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"})
    ::unsetenv(name);
}

}  // namespace
}  // namespace vae_dist::run
