// Tests that a configuration may consist of several files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../temporary_folder.hpp"
#include "config_text.hpp"

namespace vae_dist::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Include : public TemporaryFolderTest {
 protected:
  void write(const std::string& name, const std::string& yaml) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << yaml;
  }

  Config load(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    return load_config(path(name), overrides);
  }

  /// The error of loading the file, without the folder in front of names; empty if it succeeds.
  std::string complaint_about(const std::string& name,
                              const std::vector<std::string>& overrides = {}) const {
    try {
      load(name, overrides);
    } catch (const base::BadInput& error) {
      std::string out = error.what();
      const std::string folder = path("");
      for (std::size_t at; (at = out.find(folder)) != std::string::npos;)
        out.erase(at, folder.size());
      return out;
    }
    return "";
  }
};

constexpr char kRequired[] = "run: {name: x}\ndata: {train: {file: a.h5}}\n";

TEST_F(Include, TheIncludingFileTakesPrecedenceWhereverItSaysSo) {
  write("base.yaml", std::string(kRequired) + "train: {epochs: 3, global_batch: 32}\n");
  for (const char* yaml :
       {"include: base.yaml\ntrain.epochs: 7\n", "train: {epochs: 7}\ninclude: [base.yaml]\n"}) {
    write("mine.yaml", yaml);
    const Config config = load("mine.yaml");
    EXPECT_EQ(config.train.epochs, 7) << yaml;
    EXPECT_EQ(config.train.global_batch, 32) << yaml;
    EXPECT_EQ(config.run.name, "x") << yaml;
  }
}

TEST_F(Include, OfAListTheLaterFileTakesPrecedenceAndOverridesOverAll) {
  write("one.yaml", std::string(kRequired) + "train: {epochs: 1, steps: 1, global_batch: 1}\n");
  write("two.yaml", "train: {epochs: 2, steps: 2}\n");
  write("mine.yaml", "include: [one.yaml, two.yaml]\ntrain: {steps: 3}\n");
  const Config config = load("mine.yaml", {"train.global_batch=4"});
  EXPECT_EQ(config.train.epochs, 2);
  EXPECT_EQ(config.train.steps, 3);
  EXPECT_EQ(config.train.global_batch, 4);
}

TEST_F(Include, NamesAreRelativeToTheFileThatSaysThem) {
  write("shared/data.yaml", "include: ../names.yaml\ndata: {train: {file: a.h5}}\n");
  write("names.yaml", "run: {name: from_above}\n");
  write("runs/mine.yaml", "include: [../shared/data.yaml, " + path("shared/batch.yaml") + "]\n");
  write("shared/batch.yaml", "train: {global_batch: 8}\n");
  const Config config = load("runs/mine.yaml");
  EXPECT_EQ(config.run.name, "from_above");
  EXPECT_EQ(config.train.global_batch, 8);
  EXPECT_THAT(config.data.train.file, ElementsAre("a.h5")) << "data stay where they were";
}

TEST_F(Include, AFolderMayBeALink) {
  // What ".." means is up to the folder that the link leads to, as for every other program.
  write("shared/recipes/recipe.yaml", "include: ../common.yaml\n");
  write("shared/common.yaml", "train: {steps: 7}\n");
  write("common.yaml", "train: {steps: 8}\n");
  std::filesystem::create_directory_symlink(path("shared/recipes"), path("recipes"));
  write("mine.yaml", std::string(kRequired) + "include: recipes/recipe.yaml\n");
  EXPECT_EQ(load("mine.yaml").train.steps, 7);
  write("shared/common.yaml", "include: recipes/../recipes/recipe.yaml\n");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "common.yaml:1: files include each other in a circle: recipes/recipe.yaml -> "
            "common.yaml -> recipes/recipe.yaml");
}

TEST_F(Include, OneFileMayBeIncludedByTwo) {
  write("base.yaml", kRequired);
  write("left.yaml", "include: base.yaml\ntrain: {epochs: 5}\n");
  write("right.yaml", "include: base.yaml\nrun: {name: right}\n");
  write("mine.yaml", "include: [left.yaml, right.yaml]\n");
  EXPECT_EQ(load("mine.yaml").run.name, "right");
  EXPECT_EQ(load("mine.yaml").train.epochs, 5);
}

TEST_F(Include, AGroupThatIsSetToNullForgetsWhatWasIncluded) {
  write("base.yaml", std::string(kRequired) + "train: {schedule: {name: cosine, warmup_steps: 9}}");
  write("mine.yaml", "include: base.yaml\ntrain: {schedule: null}\n");
  EXPECT_EQ(load("mine.yaml").train.schedule.warmup_steps, 0);
}

TEST_F(Include, AKeyThatTheIncludingFileMakesIneffectiveReturnsToItsDefault) {
  write("base.yaml",
        std::string(kRequired) + "train: {schedule: {name: cosine, final_learning_rate: 0.5}}\n");
  write("mine.yaml", "include: base.yaml\ntrain: {schedule: {name: constant}}\n");
  EXPECT_EQ(load("mine.yaml").train.schedule.final_learning_rate,
            Config().train.schedule.final_learning_rate);
  // What never had an effect is an error in the file that has it.
  write("base.yaml", std::string(kRequired) + "train:\n  schedule: {final_learning_rate: 0.5}\n");
  EXPECT_THAT(complaint_about("mine.yaml"),
              HasSubstr("base.yaml:4: train.schedule.final_learning_rate has no effect"));
  // It has an effect by what another file says.
  write("mine.yaml", "include: base.yaml\ntrain: {schedule: {name: cosine}}\n");
  EXPECT_EQ(load("mine.yaml").train.schedule.final_learning_rate, 0.5);
}

TEST_F(Include, ErrorsNameTheFileAndLineInWhichTheKeyStands) {
  write("mine.yaml", std::string(kRequired) + "include: [good.yaml, sub/base.yaml]\n");
  write("good.yaml", "train: {epochs: 3}\n");
  write("sub/base.yaml", "\ntrain:\n  global_bach: 3\n");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "sub/base.yaml:3: unknown key 'train.global_bach'; did you mean 'train.global_batch'?");
  write("sub/base.yaml", "train:\n  epochs: many\n");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "sub/base.yaml:2: train.epochs takes an integer, not "
            "'many'");
  write("sub/base.yaml", "train: [\n");
  EXPECT_THAT(complaint_about("mine.yaml"), HasSubstr("sub/base.yaml:2: this is not valid YAML"));
  write("sub/base.yaml", "- a\n");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "sub/base.yaml: is a list; a configuration must be a map of keys");
  // Keys of two files that contradict each other.
  write("sub/base.yaml", "data:\n  dequantize: uniform\n");
  write("good.yaml", "data: {binarize: threshold}\n");
  EXPECT_THAT(complaint_about("mine.yaml"),
              HasSubstr("sub/base.yaml:2: data.dequantize needs grey levels"));
  // After the included files the lines are those of the including file again.
  write("sub/base.yaml", "");
  write("mine.yaml", std::string(kRequired) + "include: sub/base.yaml\ntrain: {epochs: 0}\n");
  EXPECT_EQ(complaint_about("mine.yaml"), "mine.yaml:4: train.epochs is 0; it must be at least 1");
}

TEST_F(Include, CirclesAreRefusedWithTheirChain) {
  write("a.yaml", std::string(kRequired) + "include: b.yaml\n");
  write("b.yaml", "\ninclude: sub/c.yaml\n");
  write("sub/c.yaml", "include: ../b.yaml\n");
  EXPECT_EQ(complaint_about("a.yaml"),
            "sub/c.yaml:1: files include each other in a circle: b.yaml -> sub/c.yaml -> b.yaml");
  write("self.yaml", "include: ./self.yaml\n");
  EXPECT_EQ(complaint_about("self.yaml"),
            "self.yaml:1: files include each other in a circle: self.yaml -> self.yaml");
  // Under another name the file is the same.
  std::filesystem::create_symlink(path("link.yaml"), path("other.yaml"));
  write("link.yaml", "include: other.yaml\n");
  EXPECT_THAT(complaint_about("link.yaml"), HasSubstr("link.yaml:1: files include each other"));
}

TEST_F(Include, FilesThatIncludeTwoOthersEachAreNotReadForEver) {
  for (int i = 0; i < 30; ++i) {
    const std::string next = std::to_string(i + 1) + ".yaml";
    write(std::to_string(i) + ".yaml", "include: [" + next + ", " + next + "]\n");
  }
  write("30.yaml", kRequired);
  EXPECT_THAT(complaint_about("0.yaml"), HasSubstr("more than 1000 files are included"));
}

TEST_F(Include, NamesWhatCannotBeRead) {
  write("mine.yaml", std::string(kRequired) + "include:\n  - none.yaml\n");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "mine.yaml:4: include names none.yaml, which cannot be read: No such file or "
            "directory; a name is relative to the folder of the file that includes it");
  write("mine.yaml", "include: /dev/zero\n");
  EXPECT_THAT(complaint_about("mine.yaml"),
              HasSubstr("mine.yaml:1: include names /dev/zero, which is not a regular file"));
}

TEST_F(Include, TakesNamesOfFiles) {
  for (const char* wrong : {"{a: b}", "null", "[]", "[{b: c}, a.yaml]", "''", "[null]"}) {
    write("mine.yaml", std::string(kRequired) + "include: " + wrong + "\n");
    EXPECT_THAT(complaint_about("mine.yaml"), testing::StartsWith("mine.yaml:3: include takes "))
        << wrong;
  }
  write("mine.yaml", std::string(kRequired) + "include: a.yaml\ninclude: a.yaml\n");
  write("a.yaml", "");
  EXPECT_EQ(complaint_about("mine.yaml"),
            "mine.yaml:4: include is given twice; write one list of files");
}

TEST_F(Include, StandsAtTheTopOfAFile) {
  write("a.yaml", "");
  write("mine.yaml", kRequired);
  EXPECT_THAT(complaint_about("mine.yaml", {"include=a.yaml"}),
              HasSubstr("include=a.yaml (command line): include stands at the top of a file"));
  write("mine.yaml", std::string(kRequired) + "x-more: &more {include: a.yaml}\n<<: *more\n");
  EXPECT_THAT(complaint_about("mine.yaml"),
              HasSubstr("mine.yaml:3: include stands at the top of a file"));
  write("mine.yaml", std::string(kRequired) + "train: {include: a.yaml}\n");
  EXPECT_THAT(complaint_about("mine.yaml"), HasSubstr("mine.yaml:3: unknown key 'train.include'"));
}

// Text that a run has kept, or that comes from another rank, reads no file of this machine.
TEST_F(Include, IsRefusedInText) {
  write("a.yaml", "");
  const std::string yaml = std::string(kRequired) + "include: " + path("a.yaml") + "\n";
  EXPECT_THAT(complaint(yaml), HasSubstr("big.yaml:3: include works only in files"));
  EXPECT_THROW(parse_kept_config(yaml, "config.yaml"), base::BadInput);
}

TEST_F(Include, WhatIsKeptHoldsNone) {
  write("base.yaml", std::string(kRequired) + "train: {epochs: 3}\n");
  write("mine.yaml", "include: base.yaml\nrun: {name: y}\n");
  const Config config = load("mine.yaml");
  const std::string kept = kept_config_yaml(config);
  EXPECT_THAT(kept, Not(HasSubstr("include")));
  EXPECT_EQ(parse_kept_config(kept, "config.yaml").config.train.epochs, 3);
}

TEST_F(Include, AllFilesAreNamed) {
  write("base.yaml", "include: deep.yaml\n");
  write("deep.yaml", kRequired);
  write("mine.yaml", "include: base.yaml\n");
  EXPECT_THAT(files_of_config(path("mine.yaml")),
              ElementsAre(path("mine.yaml"), path("base.yaml"), path("deep.yaml")));
  write("deep.yaml", "unknown: 3\n");
  EXPECT_THAT(files_of_config(path("mine.yaml")), testing::Contains(path("base.yaml")));
  EXPECT_THAT(files_of_config(path("none.yaml")), ElementsAre(path("none.yaml")));
}

}  // namespace
}  // namespace vae_dist::config
