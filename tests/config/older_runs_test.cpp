// A key that was added after a run had begun. A program of its own: it registers a network that nobody else has.
#include <gtest/gtest.h>

#include "config/load_config.hpp"

namespace vae_dist::config {
namespace {

struct AgedSettings {
  std::int64_t layers = 3;
};

const bool is_registered = [] {
  base::Registry<base::Network>::all().add({{.name = "aged_vae", .help = "", .own = base::own_keys<AgedSettings>([](base::Section& keys, AgedSettings& own) {
                                               keys.key("layers", own.layers, "how many").at_least(1).for_older_runs("7");
                                             })}});
  base::Registry<base::Network>::all().add({{.name = "plain_vae", .help = ""}});
  return true;
}();

const std::string kConfig = "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel: {name: aged_vae}\n";

std::int64_t layers_of(const Config& config) { return config.model.network.own.get<AgedSettings>("aged_vae").layers; }

TEST(OlderRuns, HaveTheValueThatTheKeysRowStatesForThem) {
  ASSERT_TRUE(is_registered);
  EXPECT_EQ(layers_of(parse_config(kConfig, "a.yaml")), 3) << "a run of today has the default";
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
  Config silent = parse_config(kConfig, "a.yaml"), other = parse_config(kConfig + "model.layers: 4\n", "a.yaml");
  go_on_with_older_values(silent, saved);
  go_on_with_older_values(other, saved);
  EXPECT_EQ(layers_of(silent), 7);
  EXPECT_TRUE(forbidden_differences(saved.config, silent).empty());
  EXPECT_EQ(forbidden_differences(saved.config, other), std::vector<std::string>{"model.layers: 7 in the run, 4 now"});
}

TEST(OlderRuns, AreNoneWhereTheKeyHasNoEffect) {
  const std::string another = "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel: {name: plain_vae}\n";
  const KeptConfig kept = parse_kept_config(another, "config.yaml");
  EXPECT_EQ(layers_of(kept.config), 3);
  EXPECT_EQ(layers_of(parse_kept_config(another, "config.yaml", {"model.name=aged_vae"}).config), 3) << "a new run with another network";
}

TEST(OlderRuns, AreToldOfInTheDocumentation) { EXPECT_NE(config_yaml(parse_config(kConfig, "a.yaml"), /*annotated=*/true).find("before there was"), std::string::npos); }

}  // namespace
}  // namespace vae_dist::config
