// Keys of registered items: two items with a key of the same name, and a key added after a run was
// started. This is a separate program because it registers networks of its own.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "config/load_config.hpp"

namespace vae_dist::config {
namespace {

struct WideSettings {
  std::int64_t width = 10, layers = 1;
};
struct RoundSettings {
  std::string width = "wide";
};

struct AgedSettings {
  std::int64_t layers = 3;
};

const bool is_registered = [] {
  base::Registry<base::Network>::all().add(
      {{.name = "aged_vae",
        .help = "",
        .own = base::own_keys<AgedSettings>([](base::Section& keys, AgedSettings& own) {
          keys.key("layers", own.layers, "how many").at_least(1).for_older_runs("7");
        })}});
  base::Registry<base::Network>::all().add({{.name = "plain_vae", .help = ""}});
  base::Registry<base::Network>::all().add(
      {{.name = "wide_vae",
        .help = "",
        .own = base::own_keys<WideSettings>([](base::Section& keys, WideSettings& own) {
          keys.key("width", own.width, "units").at_least(1).at_most(100);
          keys.key("layers", own.layers, "how many");
        })}});
  base::Registry<base::Network>::all().add(
      {{.name = "round_vae",
        .help = "",
        .own = base::own_keys<RoundSettings>([](base::Section& keys, RoundSettings& own) {
          keys.key("width", own.width, "in words").one_of({"wide", "narrow"});
        })}});
  return true;
}();

const std::string kConfig =
    "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel: {name: aged_vae}\n";

std::int64_t layers_of(const Config& config) {
  return config.model.network.own.get<AgedSettings>("aged_vae").layers;
}

const std::string kRun = "run: {name: a}\ndata: {train: {file: a.h5}}\n";

std::string refused(const std::string& yaml) {
  try {
    parse_config(kRun + yaml, "a.yaml");
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "not refused";
}

TEST(KeysOfOneName, AreReadAndCheckedAsTheChosenItemHasThem) {
  // The key before and after the name that selects the item.
  const Config wide = parse_config(kRun + "model: {width: 7, name: wide_vae}\n", "a.yaml"),
               round = parse_config(kRun + "model: {name: round_vae, width: narrow}\n", "a.yaml");
  EXPECT_EQ(wide.model.network.own.get<WideSettings>("wide_vae").width, 7);
  EXPECT_EQ(wide.model.network.own.get<RoundSettings>("round_vae").width, "wide");
  EXPECT_EQ(round.model.network.own.get<RoundSettings>("round_vae").width, "narrow");
  EXPECT_EQ(round.model.network.own.get<WideSettings>("wide_vae").width, 10);
  EXPECT_EQ(config_value(round, "model.width"), "narrow");
  EXPECT_NE(refused("model: {name: wide_vae, width: narrow}\n").find("takes an integer"),
            std::string::npos);
  EXPECT_NE(refused("model: {name: wide_vae, width: 101}\n").find("at most 100"),
            std::string::npos);
  EXPECT_NE(refused("model: {name: round_vae, width: 7}\n").find("choose one of wide | narrow"),
            std::string::npos);
  EXPECT_NE(refused("model: {name: plain_vae, width: 7}\n")
                .find("model.name is round_vae, or model.name is wide_vae"),
            std::string::npos);
}

TEST(KeysOfOneName, AreKeptAndReadBack) {
  const Config wide = parse_config(kRun + "model: {name: wide_vae, width: 7}\n", "a.yaml");
  const Config back = parse_config(config_yaml(wide), "config.yaml");
  EXPECT_EQ(back.model.network.own.get<WideSettings>("wide_vae").width, 7);
  EXPECT_TRUE(forbidden_differences(wide, back).empty());
  EXPECT_EQ(forbidden_differences(
                wide, parse_config(kRun + "model: {name: wide_vae, width: 8}\n", "a.yaml"))
                .size(),
            1U);
  // A key that the command line makes ineffective returns to its default.
  EXPECT_EQ(parse_config(config_yaml(wide), "config.yaml", {"model.name=plain_vae"})
                .model.network.own.get<WideSettings>("wide_vae")
                .width,
            10);
}

TEST(OlderRuns, HaveTheValueThatTheKeysRowStatesForThem) {
  ASSERT_TRUE(is_registered);
  EXPECT_EQ(layers_of(parse_config(kConfig, "a.yaml")), 3) << "a new run has the default";
  EXPECT_EQ(layers_of(parse_kept_config(kConfig, "config.yaml").config), 7);
  EXPECT_EQ(layers_of(parse_kept_config(kConfig + "model.layers: 5\n", "config.yaml").config), 5);
  EXPECT_EQ(layers_of(parse_kept_config(kConfig, "config.yaml", {"model.layers=2"}).config), 2);
}

TEST(OlderRuns, KeepTheirValueInWhatTheyKeep) {
  const std::string kept = kept_config_yaml(parse_kept_config(kConfig, "config.yaml").config);
  EXPECT_EQ(layers_of(parse_kept_config(kept, "config.yaml").config), 7);
  EXPECT_EQ(layers_of(parse_config(kept, "config.yaml")), 7);
}

TEST(OlderRuns, GoOnWithItUnlessTheyAreAskedForAnother) {
  const KeptConfig saved = parse_kept_config(kConfig, "config.yaml");
  Config silent = parse_config(kConfig, "a.yaml"),
         other = parse_config(kConfig + "model.layers: 4\n", "a.yaml");
  keep_older_values(silent, saved);
  keep_older_values(other, saved);
  EXPECT_EQ(layers_of(silent), 7);
  EXPECT_TRUE(forbidden_differences(saved.config, silent).empty());
  EXPECT_EQ(forbidden_differences(saved.config, other),
            std::vector<std::string>{"model.layers: 7 in the run, 4 now"});
}

TEST(OlderRuns, AreNoneWhereTheKeyHasNoEffect) {
  const std::string another =
      "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel: {name: plain_vae}\n";
  const KeptConfig kept = parse_kept_config(another, "config.yaml");
  EXPECT_EQ(layers_of(kept.config), 3);
  EXPECT_EQ(layers_of(parse_kept_config(another, "config.yaml", {"model.name=aged_vae"}).config), 3)
      << "a new run with another network";
}

TEST(OlderRuns, AreToldOfInTheDocumentation) {
  EXPECT_NE(config_yaml(parse_config(kConfig, "a.yaml"), /*annotated=*/true)
                .find("before this key existed"),
            std::string::npos);
}

}  // namespace
}  // namespace vae_dist::config
