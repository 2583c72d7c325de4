#include "config/expand_paths.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/text.hpp"
#include "config/key_table.hpp"
#include "config/scalar_text.hpp"
#include "config_text.hpp"

namespace vae_dist::config {
namespace {

using testing::ElementsAre;

class ExpandPaths : public testing::Test {
 protected:
  ExpandPaths() {
    for (const char* name :
         {"part_1.h5", "part_2.h5", "part_10.h5", "part_x.txt", "odd[1].h5", "odd1.h5"}) {
      std::filesystem::create_directories(folder_);
      std::ofstream(folder_ / name) << name;
    }
  }
  ~ExpandPaths() override { std::filesystem::remove_all(folder_); }

  std::string in(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / base::text("vae_dist_expand_paths_", ::getpid());
};

TEST_F(ExpandPaths, APatternStandsForItsFilesInNaturalOrder) {
  EXPECT_THAT(matching_files(in("part_*.h5")),
              ElementsAre(in("part_1.h5"), in("part_2.h5"), in("part_10.h5")));
  EXPECT_THAT(matching_files(in("part_{10,2}.h5")), ElementsAre(in("part_2.h5"), in("part_10.h5")));
  EXPECT_THAT(matching_files(in("part_[12].h5")), ElementsAre(in("part_1.h5"), in("part_2.h5")));
  EXPECT_THAT(matching_files(in("odd[1].h5")), ElementsAre(in("odd[1].h5")))
      << "a file with exactly this name";
  EXPECT_THAT(matching_files(in("none_*.h5")), ElementsAre(in("none_*.h5")))
      << "opening the file reports the error";
  EXPECT_THAT(matching_files(in("absent.h5")), ElementsAre(in("absent.h5")));
}

TEST_F(ExpandPaths, TheTildeIsAHomeFolder) {
  ASSERT_EQ(::setenv("HOME", "/home/somebody", 1), 0);
  EXPECT_EQ(with_home("~"), "/home/somebody");
  EXPECT_EQ(with_home("~/data/a.h5"), "/home/somebody/data/a.h5");
  EXPECT_EQ(with_home("~root/a.h5"), "/root/a.h5");
  EXPECT_EQ(with_home("~no_such_user/a.h5"), "~no_such_user/a.h5");
  EXPECT_EQ(with_home("data/~"), "data/~");
  EXPECT_EQ(with_home(""), "");
}

TEST_F(ExpandPaths, AFilesConfigurationAndItsOverridesAreExpanded) {
  ASSERT_EQ(::setenv("HOME", folder_.c_str(), 1), 0);
  std::ofstream(folder_ / "run.yaml")
      << "run: {name: first, directory: ~/runs}\ndata: {train: {file: [~/part_*.h5, other.h5]}}\n";
  const Config config = load_config(
      in("run.yaml"), {"data.validation.file=~/part_1?.h5", "checkpoint.resume=~/runs/old"});
  EXPECT_EQ(config.run.directory, in("runs"));
  EXPECT_THAT(config.data.train.file,
              ElementsAre(in("part_1.h5"), in("part_2.h5"), in("part_10.h5"), "other.h5"));
  EXPECT_THAT(config.data.validation.file, ElementsAre(in("part_10.h5")));
  EXPECT_EQ(config.checkpoint.resume, in("runs/old"));
}

TEST_F(ExpandPaths, KeysOfRegisteredItemsThatNameFilesAreExpanded) {
  ASSERT_EQ(::setenv("HOME", folder_.c_str(), 1), 0);
  std::ofstream(folder_ / "run.yaml")
      << "run.name: first\ndata.train.file: a.h5\n"
         "model: {name: script, encoder: ~/encoder.pt, decoder: \"~/decoder*.pt\"}\n";
  std::map<std::string, std::string> texts;
  Config config = load_config(in("run.yaml"), {"model.summed_buffers=[\"~/a\"]"});
  for (const base::Key& key : key_table(config)) texts[key.name] = value_text(key);
  EXPECT_EQ(texts.at("model.encoder"), in("encoder.pt"));
  EXPECT_EQ(texts.at("model.decoder"), quoted_if_needed(in("decoder*.pt"))) << "not a list";
  EXPECT_EQ(texts.at("model.summed_buffers"), "\"~/a\"") << "names no place";
}

}  // namespace
}  // namespace vae_dist::config
