#include "checkpoint/config_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace vae_dist::checkpoint {
namespace {

TEST(ConfigJson, HasNumbersAsNumbersAndTextAsText) {
  const std::string yaml =
      "run:\n  name: shapes\n  seed: 18446744073\nmodel:\n  hidden_dims: [32, 64]\n"
      "  own: \"12\"\n  nothing: null\n  quoted_null: \"null\"\n  yes: true\n"
      "train:\n  rate: 1.0e-08\n  exact: 0.1\n  less: -3\n  infinity: inf\n"
      "objective:\n  regularisers: [{name: tc, weight: 5}]\n  none: []\n";
  const auto json = nlohmann::ordered_json::parse(config_json(yaml));
  EXPECT_EQ(json.dump(),
            R"({"run":{"name":"shapes","seed":18446744073},)"
            R"("model":{"hidden_dims":[32,64],"own":"12","nothing":null,"quoted_null":"null",)"
            R"("yes":true},"train":{"rate":1e-08,"exact":0.1,"less":-3,"infinity":"inf"},)"
            R"("objective":{"regularisers":[{"name":"tc","weight":5}],"none":[]}})");
}

TEST(ConfigJson, IsValidJsonWhateverBytesAPathHas) {
  const auto json =
      nlohmann::json::parse(config_json("data:\n  file: \"/d/caf\xe9 \\\"x\\\" \\x0a\"\n"));
  EXPECT_EQ(json["data"]["file"], "/d/caf\\xe9 \"x\" \n");
}

TEST(ConfigJson, RefusesWhatIsNoYaml) { EXPECT_THROW(config_json("run: [1, 2\n"), base::Failure); }

}  // namespace
}  // namespace vae_dist::checkpoint
