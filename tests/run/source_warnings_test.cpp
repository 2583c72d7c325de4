#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "run/start_warnings.hpp"

namespace vae_dist::run {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SourceWarnings : public testing::Test {
 protected:
  SourceWarnings() {
    std::filesystem::create_directories(folder_);
    for (const char* name : {"a.h5", "b.h5"}) std::ofstream(folder_ / name) << name;
    std::filesystem::create_symlink(folder_ / "a.h5", folder_ / "link.h5");
    data_.train.file = {in("a.h5")};
  }
  ~SourceWarnings() override { std::filesystem::remove_all(folder_); }

  std::string in(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / base::text("vae_dist_source_warnings_", ::getpid());
  config::DataConfig data_;
};

TEST_F(SourceWarnings, NameAFileThatIsListedTwice) {
  data_.train.file = {in("a.h5"), in("b.h5")};
  EXPECT_THAT(source_warnings(data_), IsEmpty());
  data_.train.file = {in("a.h5"), in("b.h5"), in("link.h5")};
  EXPECT_THAT(
      source_warnings(data_),
      ElementsAre(AllOf(HasSubstr("data.train.file lists the same file more than once"),
                        HasSubstr(in("a.h5") + " (also as " + in("link.h5") + ") 2 times"))));
}

TEST_F(SourceWarnings, SayWhichRowsBothRead) {
  data_.validation.file = {in("b.h5")};
  EXPECT_THAT(source_warnings(data_), IsEmpty());
  data_.validation.file = {in("link.h5")};
  EXPECT_THAT(
      source_warnings(data_),
      ElementsAre(HasSubstr(
          "both read the same rows of the same file, so the validation loss says nothing")));
  data_.validation.rows = {100, 200};
  EXPECT_THAT(source_warnings(data_),
              ElementsAre(HasSubstr("both read rows 100 to 199 of the same file")));
  data_.train.rows = {0, 100};
  EXPECT_THAT(source_warnings(data_), IsEmpty());
  data_.train.rows = {0, 101};
  EXPECT_THAT(source_warnings(data_), ElementsAre(HasSubstr("rows 100 to 100")));
}

TEST_F(SourceWarnings, LeaveApartWhatDatasetsAndSplitsTellApart) {
  data_.validation.file = {in("a.h5")};
  data_.train.split = "train";
  data_.validation.split = "test";
  EXPECT_THAT(source_warnings(data_), IsEmpty());
  data_.validation.split = "train";
  EXPECT_EQ(source_warnings(data_).size(), 1u);
  data_.train.dataset = {"x"};
  data_.validation.dataset = {"y"};
  data_.train.split.reset();
  data_.validation.split.reset();
  EXPECT_THAT(source_warnings(data_), IsEmpty());
}

TEST_F(SourceWarnings, KnowAFileOfAList) {
  data_.train.file = {in("a.h5"), in("b.h5")};
  data_.validation.file = {in("b.h5")};
  EXPECT_THAT(source_warnings(data_),
              ElementsAre(HasSubstr("both read all rows of " + in("b.h5"))));
}

}  // namespace
}  // namespace vae_dist::run
