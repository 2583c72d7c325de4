#include "base/yaml_json.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/utf8.hpp"

namespace vae_dist::base {
namespace {

TEST(YamlJson, HasNumbersAsNumbersAndTextAsText) {
  const std::string yaml =
      "run:\n  name: shapes\n  seed: 18446744073\nmodel:\n  hidden_dims: [32, 64]\n"
      "  own: \"12\"\n  nothing: null\n  quoted_null: \"null\"\n  yes: true\n"
      "train:\n  rate: 1.0e-08\n  exact: 0.1\n  less: -3\n  infinity: inf\n"
      "objective:\n  regularisers: [{name: tc, weight: 5}]\n  none: []\n";
  EXPECT_EQ(json_of_yaml(yaml).dump(),
            R"({"run":{"name":"shapes","seed":18446744073},)"
            R"("model":{"hidden_dims":[32,64],"own":"12","nothing":null,"quoted_null":"null",)"
            R"("yes":true},"train":{"rate":1e-08,"exact":0.1,"less":-3,"infinity":"inf"},)"
            R"("objective":{"regularisers":[{"name":"tc","weight":5}],"none":[]}})");
}

TEST(YamlJson, ReadsSingleValuesAsTheCoreSchemaDoes) {
  for (const auto& [yaml, json] :
       std::vector<std::pair<std::string, std::string>>{{"", "null"},
                                                        {"~", "null"},
                                                        {"True", "true"},
                                                        {"'true'", "\"true\""},
                                                        {"+5", "5"},
                                                        {"!!str 5", "\"5\""},
                                                        {"1e3", "1000.0"},
                                                        {"[0, 1]", "[0,1]"},
                                                        {"a b", "\"a b\""}})
    EXPECT_EQ(json_of_yaml(yaml).dump(), json) << yaml;
}

TEST(YamlJson, IsValidJsonWhateverBytesAPathHas) {
  const auto json = nlohmann::json::parse(
      json_text(json_of_yaml("data:\n  file: \"/d/caf\xe9 \\\"x\\\" \\x0a\"\n")));
  EXPECT_EQ(json["data"]["file"], "/d/caf\\xe9 \"x\" \n");
}

TEST(YamlJson, RefusesWhatIsNoYaml) { EXPECT_THROW(json_of_yaml("run: [1, 2\n"), Failure); }

}  // namespace
}  // namespace vae_dist::base
