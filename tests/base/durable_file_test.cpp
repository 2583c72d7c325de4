#include "base/durable_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "../temporary_folder.hpp"

namespace vae_dist::base {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// While an object exists, a write beyond `bytes` of a file fails, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_before_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*signal_before_)(int);
  rlimit before_{};
};

class DurableFile : public TemporaryFolderTest {
 protected:
  template <typename Action>
  static std::string failure(Action action) {
    try {
      action();
    } catch (const Failure& error) {
      return error.what();
    }
    return "no Failure";
  }
};

TEST_F(DurableFile, ReadsBackEveryByte) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes.push_back(static_cast<char>(i * 7));
  replace_file(path("state"), bytes);
  EXPECT_TRUE(read_file(path("state")) == bytes);
  replace_file(path("state"), "");
  EXPECT_EQ(read_file(path("state")), "");
}

TEST_F(DurableFile, ReplacingLeavesNothingElseBehind) {
  replace_file(path("state"), "old");
  replace_file(path("state"), "new");
  EXPECT_EQ(read_file(path("state")), "new");
  EXPECT_THAT(files(), ElementsAre("state"));
}

TEST_F(DurableFile, AReaderOfTheOldFileKeepsItWhole) {
  replace_file(path("state"), "old content");
  std::ifstream reader(path("state"));
  replace_file(path("state"), "new");
  const std::string seen{std::istreambuf_iterator<char>(reader), {}};
  EXPECT_EQ(seen, "old content");
}

TEST_F(DurableFile, AFailedWriteKeepsTheOldFileAndLeavesNoScratch) {
  replace_file(path("state"), "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_THAT(failure([&] { replace_file(path("state"), std::string(5000, 'x')); }),
                AllOf(HasSubstr("cannot write"), HasSubstr("File too large")));
  }
  EXPECT_EQ(read_file(path("state")), "old");
  EXPECT_THAT(files(), ElementsAre("state"));
}

TEST_F(DurableFile, AFailedRenameLeavesNoScratch) {
  std::filesystem::create_directories(path("state/inner"));
  EXPECT_THAT(failure([&] { replace_file(path("state"), "new"); }),
              AllOf(HasSubstr("cannot rename"), HasSubstr(path("state")), HasSubstr("directory")));
  EXPECT_THAT(files(), ElementsAre("state"));
}

TEST_F(DurableFile, AnAbsentFolderIsNamedWithTheReason) {
  EXPECT_THAT(failure([&] { replace_file(path("absent/state"), "new"); }),
              AllOf(HasSubstr(path("absent/")), HasSubstr("No such file or directory")));
  EXPECT_THAT(failure([&] { write_and_sync(path("absent/state"), "new"); }),
              HasSubstr(path("absent/state")));
  EXPECT_THAT(failure([&] { sync_directory(path("absent")); }), HasSubstr(path("absent")));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(DurableFile, WritingCutsALongerFile) {
  write_and_sync(path("state"), "a long content");
  write_and_sync(path("state"), "short");
  EXPECT_EQ(read_file(path("state")), "short");
}

TEST_F(DurableFile, ANameWithoutAFolderIsInTheCurrentOne) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(path(""));
  replace_file("state", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(path("state")), "here");
}

TEST_F(DurableFile, AFileThatCannotBeReadIsBadInput) {
  EXPECT_THAT(refusal([&] { read_file(path("absent")); }),
              AllOf(HasSubstr(path("absent")), HasSubstr("No such file")));
  EXPECT_THAT(refusal([&] { read_file(path("")); }), HasSubstr("directory"));
}

}  // namespace
}  // namespace vae_dist::base
