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
  return true;
}();

const std::string kConfig = "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel: {name: aged_vae}\n";

std::int64_t layers_of(const Config& config) { return config.model.network.own.get<AgedSettings>("aged_vae").layers; }

TEST(OlderRuns, HaveTheValueThatTheKeysRowStatesForThem) {
  ASSERT_TRUE(is_registered);
  EXPECT_EQ(layers_of(parse_config(kConfig, "a.yaml")), 3) << "a run of today has the default";
  EXPECT_EQ(layers_of(parse_kept_config(kConfig, "config.yaml")), 7);
  EXPECT_EQ(layers_of(parse_kept_config(kConfig + "model.layers: 5\n", "config.yaml")), 5);
  EXPECT_EQ(layers_of(parse_kept_config(kConfig, "config.yaml", {"model.layers=2"})), 2);
}

TEST(OlderRuns, KeepTheirValueInWhatTheyKeep) {
  const std::string kept = kept_config_yaml(parse_kept_config(kConfig, "config.yaml"));
  EXPECT_EQ(layers_of(parse_kept_config(kept, "config.yaml")), 7);
  EXPECT_EQ(layers_of(parse_config(kept, "config.yaml")), 7);
}

TEST(OlderRuns, AreToldOfInTheDocumentation) { EXPECT_NE(config_yaml(parse_config(kConfig, "a.yaml"), /*annotated=*/true).find("before there was"), std::string::npos); }

}  // namespace
}  // namespace vae_dist::config
