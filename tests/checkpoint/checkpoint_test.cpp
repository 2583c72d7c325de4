#include "checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "checkpoint/manifest.hpp"
#include "fixtures.hpp"

namespace vae_dist::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const char* const kFiles[] = {"weights.safetensors", "optimizer.safetensors", "state.json",
                              "config.yaml",         "config.json",           "manifest.json"};

void flip_byte(const fs::path& path, std::size_t at) {
  std::string bytes = base::read_file(path);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  std::ofstream(path, std::ios::binary) << bytes;
}

void damage(const fs::path& directory) {
  const fs::path weights = directory / "weights.safetensors";
  flip_byte(weights, fs::file_size(weights) - 1);
}

std::set<std::string> steps(const std::vector<fs::path>& directories) {
  std::set<std::string> found;
  for (const auto& directory : directories) found.insert(directory.filename().string());
  return found;
}

void expect_same(const Checkpoint& read, const Checkpoint& written) {
  EXPECT_EQ(encode_safetensors(read.weights), encode_safetensors(written.weights));
  EXPECT_EQ(encode_safetensors(read.optimizer), encode_safetensors(written.optimizer));
  EXPECT_EQ(to_json(read.state), to_json(written.state));
  EXPECT_EQ(read.config_yaml, written.config_yaml);
}

TEST(Checkpoint, HoldsEverythingItWasGiven) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1000));
  EXPECT_EQ(directory, root.path() / "step_00001000");
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00001000"});
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.insert(entry.path().filename().string());
  EXPECT_EQ(names, std::set<std::string>(std::begin(kFiles), std::end(kFiles)));
  expect_same(read_checkpoint(directory), checkpoint_of(1000));
}

TEST(Checkpoint, EqualStateGivesEqualBytesInEveryFile) {
  const TemporaryDirectory a, b;
  auto other_strides = checkpoint_of(7);
  auto& weight = other_strides.weights.tensors.at("encoder.0.0.weight");
  weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  const auto first = write_checkpoint(a.path(), checkpoint_of(7));
  const auto second = write_checkpoint(b.path(), other_strides);
  for (const char* file : kFiles)
    EXPECT_EQ(base::read_file(first / file), base::read_file(second / file)) << file;
}

TEST(Checkpoint, TakesTheStateThatAnEvaluationLeft) {
  const TemporaryDirectory root;
  Checkpoint checkpoint = checkpoint_of(12);
  checkpoint.state.awaits_evaluation = 1;
  const auto directory = write_checkpoint(root.path(), checkpoint);
  checkpoint.state.awaits_evaluation = 0;
  checkpoint.state.best_validation = 0.25;
  checkpoint.state.best_step = 12;
  write_evaluated_state(directory, checkpoint.state);
  expect_same(read_checkpoint(directory), checkpoint);
  // The new file is protected by a hash like the others.
  for (const char* file : {"state.json", "state_evaluated.json", "manifest.json"}) {
    flip_byte(directory / file, 20);
    EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(directory); }), HasSubstr(file));
    flip_byte(directory / file, 20);
  }
  checkpoint.state.step = 13;
  EXPECT_THAT(
      message_of<base::BadInput>([&] { write_evaluated_state(directory, checkpoint.state); }),
      HasSubstr("of step 12, not of step 13"));
}

// A process killed between the two files: the manifest does not name the new file yet.
TEST(Checkpoint, HasTheStateOfBeforeWhereTheEvaluatedOneWasCutOff) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(12));
  std::ofstream(directory / "state_evaluated.json") << "{\"step\": 12, \"ep";
  expect_same(read_checkpoint(directory), checkpoint_of(12));
}

TEST(Checkpoint, MakesItsRoot) {
  const TemporaryDirectory root;
  expect_same(
      read_checkpoint(write_checkpoint(root.path() / "run" / "checkpoints", checkpoint_of(1))),
      checkpoint_of(1));
}

TEST(Checkpoint, AFlippedBitInAnyByteOfAnyFileIsRefusedByName) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1));
  for (const char* file : kFiles) {
    const std::string good = base::read_file(directory / file);
    for (std::size_t at = 0; at < good.size(); ++at) {
      flip_byte(directory / file, at);
      EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(directory); }), HasSubstr(file))
          << at;
      std::ofstream(directory / file, std::ios::binary) << good;
    }
  }
  expect_same(read_checkpoint(directory), checkpoint_of(1));
}

TEST(Checkpoint, AMissingOrShortenedFileIsRefusedByName) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1));
  for (const char* file : kFiles) {
    const std::string good = base::read_file(directory / file);
    base::write_and_sync(directory / file, good.substr(0, good.size() - 1));
    EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(directory); }), HasSubstr(file));
    fs::remove(directory / file);
    EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(directory); }), HasSubstr(file));
    base::write_and_sync(directory / file, good);
  }
  EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(root.path() / "step_00000009"); }),
              HasSubstr("step_00000009"));
}

TEST(Checkpoint, ANewerFormatIsRefusedAsSuch) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1));
  // Add the hash as in format 1: over the compact text without the hash.
  auto manifest = nlohmann::json::parse(base::read_file(directory / "manifest.json"));
  manifest.erase("xxh3");
  manifest["format"] = 2;
  manifest["xxh3"] = describe_file(manifest.dump()).xxh3;
  base::write_and_sync(directory / "manifest.json", manifest.dump(2) + "\n");
  EXPECT_THAT(message_of<base::BadInput>([&] { read_checkpoint(directory); }),
              AllOf(HasSubstr("manifest.json"), HasSubstr("format 2")));
}

// From FIPS 180-4's example "abc".
TEST(Manifest, HasTheSha256OfEveryFileForOtherReaders) {
  EXPECT_EQ(describe_file("abc").sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1));
  write_evaluated_state(directory, checkpoint_of(1).state);
  const auto manifest = nlohmann::json::parse(base::read_file(directory / "manifest.json"));
  std::set<std::string> names;
  for (const auto& [name, entry] : manifest.at("files").items()) {
    names.insert(name);
    EXPECT_EQ(entry.at("sha256"), describe_file(base::read_file(directory / name)).sha256) << name;
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"weights.safetensors", "optimizer.safetensors", "state.json",
                                   "config.yaml", "config.json", "state_evaluated.json"}));
}

TEST(Checkpoint, FromBeforeConfigJsonAndSha256IsRead) {
  const TemporaryDirectory root;
  const auto directory = write_checkpoint(root.path(), checkpoint_of(1));
  const fs::path path = directory / "manifest.json";
  Manifest manifest = manifest_from_json(base::read_file(path), path.string());
  manifest.files.erase("config.json");
  for (auto& [name, file] : manifest.files) file.sha256.clear();
  fs::remove(directory / "config.json");
  base::write_and_sync(path, to_json(manifest));
  EXPECT_THAT(base::read_file(path), testing::Not(HasSubstr("sha256")));
  expect_same(read_checkpoint(directory), checkpoint_of(1));
}

TEST(Checkpoint, TheNewestIsByStepAndTemporaryOnesAreIgnored) {
  const TemporaryDirectory root;
  EXPECT_FALSE(read_newest_checkpoint(root.path()));
  EXPECT_FALSE(read_newest_checkpoint(root.path() / "absent"));
  for (const std::int64_t step : {90, 1000, 200'000'000})
    write_checkpoint(root.path(), checkpoint_of(step));
  fs::create_directory(root.path() / ".tmp_step_00009999_1");
  fs::create_directory(root.path() / "step_00009999");  // no manifest
  fs::create_directory(root.path() / "step_300000000.broken_1");
  fs::create_directory(root.path() / "step_99999999999999999999");

  const auto found = find_checkpoints(root.path());
  EXPECT_THAT(found,
              testing::ElementsAre(root.path() / "step_200000000", root.path() / "step_00001000",
                                   root.path() / "step_00000090"));
  EXPECT_EQ(read_newest_checkpoint(root.path())->state.step, 200'000'000);
}

TEST(Checkpoint, FallsBackToTheNewestThatVerifiesAndSaysSo) {
  const TemporaryDirectory root;
  for (const int step : {1, 2, 3}) write_checkpoint(root.path(), checkpoint_of(step));
  damage(root.path() / "step_00000002");
  fs::remove(root.path() / "step_00000003" / "manifest.json");

  testing::internal::CaptureStderr();
  const auto newest = read_newest_checkpoint(root.path());
  const std::string said = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(newest);
  expect_same(*newest, checkpoint_of(1));
  EXPECT_THAT(said,
              AllOf(HasSubstr("step_00000003"), HasSubstr("step_00000002/weights.safetensors"),
                    HasSubstr("falling back")));

  damage(root.path() / "step_00000001");
  EXPECT_THAT(message_of<base::BadInput>([&] { read_newest_checkpoint(root.path()); }),
              AllOf(HasSubstr("none of the 3"), HasSubstr(root.path().string())));
}

TEST(Checkpoint, TheSameStepAgainKeepsAGoodOneAndReplacesABrokenOne) {
  const TemporaryDirectory root;
  auto again = checkpoint_of(5);
  again.config_yaml = "run:\n  name: again\n";
  const auto directory = write_checkpoint(root.path(), checkpoint_of(5));
  EXPECT_EQ(write_checkpoint(root.path(), again), directory);
  expect_same(read_checkpoint(directory), checkpoint_of(5));

  for (const int k : {1, 2}) {
    damage(directory);
    EXPECT_EQ(write_checkpoint(root.path(), again), directory);
    expect_same(read_checkpoint(directory), again);
    EXPECT_TRUE(fs::exists(base::text(directory.string(), ".broken_", k))) << k;
  }
  EXPECT_EQ(root.names(), (std::set<std::string>{"step_00000005", "step_00000005.broken_1",
                                                 "step_00000005.broken_2"}));
}

TEST(Checkpoint, AFullDiskIsAFailureThatLeavesNothingBehind) {
  const TemporaryDirectory root;
  write_checkpoint(root.path(), checkpoint_of(1));
  auto large = checkpoint_of(2);
  large.optimizer.tensors["exp_avg_sq.encoder.0.0.weight"] =
      at::arange(4096, at::kFloat);  // in the second file; the first one fits
  {
    const FileSizeLimit limit(4096);
    EXPECT_THAT(message_of<base::Failure>([&] { write_checkpoint(root.path(), large); }),
                HasSubstr("optimizer.safetensors"));
  }
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000001"});
  expect_same(*read_newest_checkpoint(root.path()), checkpoint_of(1));
  expect_same(read_checkpoint(write_checkpoint(root.path(), large)), large);
}

TEST(Checkpoint, AFailedSaveLeavesTheBrokenOneOfThatStepWhereItWas) {
  const TemporaryDirectory root;
  damage(write_checkpoint(root.path(), checkpoint_of(2)));
  const FileSizeLimit limit(64);
  EXPECT_THROW(write_checkpoint(root.path(), checkpoint_of(2)), base::Failure);
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000002"});
}

TEST(Checkpoint, ARootThatCannotBeMadeIsAFailureThatNamesIt) {
  const TemporaryDirectory root;
  base::write_and_sync(root.path() / "file", "");
  EXPECT_THAT(message_of<base::Failure>([&] {
                write_checkpoint(root.path() / "file" / "checkpoints", checkpoint_of(1));
              }),
              HasSubstr("file/checkpoints/step_00000001"));
}

TEST(Checkpoint, KillingTheWriterAtAnyInstantLosesAtMostTheOneUnderWay) {
  const TemporaryDirectory root;
  std::int64_t step = 0;
  for (int round = 0; round < 20; ++round) {
    int done[2];
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::int64_t next = step + 1;; ++next) {
        write_checkpoint(root.path(), checkpoint_of(next));
        if (::write(done[1], &next, sizeof next) != sizeof next) ::_exit(1);
        prune_checkpoints(root.path(), 3);
      }
    }
    ::close(done[1]);
    ASSERT_EQ(::read(done[0], &step, sizeof step), ssize_t{sizeof step});
    ::usleep(static_cast<useconds_t>(1 + 397 * round));  // during one of the next writes or prunes
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (std::int64_t later = 0; ::read(done[0], &later, sizeof later) == ssize_t{sizeof later};)
      step = later;
    ::close(done[0]);

    testing::internal::CaptureStderr();
    const auto newest = read_newest_checkpoint(root.path());
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "")
        << "every visible checkpoint must be complete";
    ASSERT_TRUE(newest);
    EXPECT_GE(newest->state.step, step);
    expect_same(*newest, checkpoint_of(newest->state.step));
    step = newest->state.step;
  }
  prune_checkpoints(root.path(), 1);
  EXPECT_EQ(steps(find_checkpoints(root.path())), root.names()) << "no leftovers may remain";
}

TEST(PruneCheckpoints, KeepsTheNewestAndTheProtected) {
  const TemporaryDirectory root;
  for (int step = 1; step <= 6; ++step) write_checkpoint(root.path(), checkpoint_of(step));
  prune_checkpoints(root.path(), 2,
                    {root.path() / "step_00000002", root.path() / "absent",
                     root.path() / "." / "step_00000003" / ""});
  EXPECT_EQ(root.names(), (std::set<std::string>{"step_00000002", "step_00000003", "step_00000005",
                                                 "step_00000006"}));
  prune_checkpoints(root.path(), 10);
  EXPECT_EQ(root.names().size(), 4u);
  prune_checkpoints(root.path(), 0);
  EXPECT_EQ(root.names(), std::set<std::string>{"step_00000006"}) << "the newest always stays";
}

TEST(PruneCheckpoints, CountsCompleteOnesOnlyAndLeavesForeignNamesAlone) {
  const TemporaryDirectory root;
  for (int step = 1; step <= 3; ++step) write_checkpoint(root.path(), checkpoint_of(step));
  fs::remove(root.path() / "step_00000003" / "manifest.json");
  const std::set<std::string> foreign = {"step_00000009.broken_1", "notes", ".tmp_step_",
                                         "step_best"};
  for (const auto& name : foreign) fs::create_directory(root.path() / name);
  prune_checkpoints(root.path(), 1);
  auto expected = foreign;
  expected.insert({"step_00000002", "step_00000003"});
  EXPECT_EQ(root.names(), expected);
  prune_checkpoints(root.path() / "absent", 1);
}

TEST(PruneCheckpoints, RemovesLeftoversOfInterruptedWritesButNotALiveOne) {
  const TemporaryDirectory root;
  write_checkpoint(root.path(), checkpoint_of(1));
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const auto scratch = [&](const char* digits, const std::string& of, pid_t pid) {
    return root.path() / base::text(".tmp_step_", digits, "_", of, "_1_", pid);
  };
  const fs::path dead = scratch("00000002", host.data(), gone);
  const fs::path own = scratch("00000003", host.data(), ::getpid());
  const fs::path alive = scratch("00000004", host.data(), ::getppid());
  for (const auto& directory : {dead, own, alive}) {
    fs::create_directory(directory);
    base::write_and_sync(directory / "weights.safetensors", "half of i");
  }
  EXPECT_EQ(read_newest_checkpoint(root.path())->state.step, 1);
  prune_checkpoints(root.path(), 3);
  EXPECT_EQ(root.names(), (std::set<std::string>{"step_00000001", alive.filename().string()}));
}

// The process numbers of another host say nothing here, so a write there counts as interrupted only
// when nothing has changed for an hour.
TEST(PruneCheckpoints, LeavesAWriteOnAnotherHostAloneUntilItHasNotChangedForAnHour) {
  const TemporaryDirectory root;
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);
  const std::string under_way = base::text(".tmp_step_00000002_a_far_host_3_", gone),
                    old = base::text(".tmp_step_00000003_a_far_host_3_", gone),
                    slow = base::text(".tmp_step_00000004_a_far_host_3_", gone),
                    of_older_program = base::text(".tmp_step_00000005_", gone);
  for (const std::string& name : {under_way, old, slow, of_older_program}) {
    fs::create_directory(root.path() / name);
    base::write_and_sync(root.path() / name / "weights.safetensors", "half of i");
  }
  const auto long_ago = fs::last_write_time(root.path()) - std::chrono::hours(2);
  for (const std::string& name : {old, of_older_program})
    fs::last_write_time(root.path() / name / "weights.safetensors", long_ago);
  for (const std::string& name : {old, slow, of_older_program})
    fs::last_write_time(root.path() / name, long_ago);
  write_checkpoint(root.path(), checkpoint_of(1));
  prune_checkpoints(root.path(), 3);
  EXPECT_EQ(root.names(), (std::set<std::string>{"step_00000001", under_way, slow}));
}

TEST(WriteCheckpoint, KeepsWhatTheSurvivorsOfAFailureAddAlsoAfterAnEvaluation) {
  const TemporaryDirectory root;
  Checkpoint checkpoint = checkpoint_of(7);
  checkpoint.after_failure = true;
  checkpoint.last_steps = "{\"step\":6}\n{\"step\":7}\n";
  const fs::path directory = write_checkpoint(root.path(), checkpoint, 2);
  EXPECT_NE(base::read_file(directory / "manifest.json").find("\"after_failure\": true"),
            std::string::npos);
  EXPECT_EQ(read_checkpoint(directory).last_steps, checkpoint.last_steps);
  write_evaluated_state(directory, checkpoint.state);
  EXPECT_TRUE(read_checkpoint(directory).after_failure);
  EXPECT_FALSE(read_checkpoint(write_checkpoint(root.path(), checkpoint_of(8))).after_failure);
}

}  // namespace
}  // namespace vae_dist::checkpoint
