#include "base/modified.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "../temporary_folder.hpp"
#include "base/durable_file.hpp"

namespace vae_dist::base {
namespace {

class Modified : public TemporaryFolderTest {};

TEST_F(Modified, IsTheTimeOfTheFileBehindALink) {
  const std::string file = path("file"), link = path("link");
  replace_file(file, "content");
  const timespec times[] = {{100, 0}, {1'700'000'000, 250'000'000}};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  std::filesystem::create_symlink(file, link);
  for (const std::string& each : {file, link})
    EXPECT_EQ(modified(each), Seconds(1'700'000'000.25)) << each;
}

TEST_F(Modified, IsNothingWithoutAFile) { EXPECT_EQ(modified(path("none")), std::nullopt); }

}  // namespace
}  // namespace vae_dist::base
