#include "metrics/service_discovery.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/text.hpp"

namespace vae_dist::metrics {
namespace {

class ServiceDiscovery : public ::testing::Test {
 protected:
  ~ServiceDiscovery() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                base::text("service_discovery_test_", ::getpid(), ".json");
};

TEST_F(ServiceDiscovery, NamesTheAddressOfEveryRank) {
  const ServiceDiscoveryFile file(
      path_, "a \"quoted\" run",
      {{"node1", 19400, 0}, {"node2", 19407, 1}, {"fe80::1", 19400, 2}, {"[::1]", 19401, 3}});
  const auto groups = nlohmann::json::parse(base::read_file(path_));
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0]["targets"], nlohmann::json({"node1:19400"}));
  EXPECT_EQ(groups[1]["targets"], nlohmann::json({"node2:19407"}));
  EXPECT_EQ(groups[2]["targets"], nlohmann::json({"[fe80::1]:19400"}));
  EXPECT_EQ(groups[3]["targets"], nlohmann::json({"[::1]:19401"}));
  EXPECT_EQ(groups[1]["labels"]["__meta_vae_dist_rank"], "1");
  EXPECT_EQ(groups[1]["labels"]["__meta_vae_dist_run"], "a \"quoted\" run");
}

TEST_F(ServiceDiscovery, EscapesWhatIsNoUtf8) {
  const ServiceDiscoveryFile file(path_, "caf\xe9", {{"node1", 19400, 0}});
  EXPECT_EQ(nlohmann::json::parse(base::read_file(path_))[0]["labels"]["__meta_vae_dist_run"],
            R"(caf\xe9)");
  EXPECT_EQ(service_discovery_path("r\xfcns", "caf\xe9"),
            std::string("r\xfcns/") + R"(caf\xe9.prometheus.json)")
      << "only the file name is escaped";
}

TEST_F(ServiceDiscovery, KeepsTwoPeoplesRunsOfOneNameApartWhereTheyShareAFolder) {
  EXPECT_EQ(service_discovery_path("/shared", "mnist", "anna"),
            "/shared/anna-mnist.prometheus.json");
}

TEST_F(ServiceDiscovery, GivesSeriesNoLabelThatTheyHaveThemselves) {
  const ServiceDiscoveryFile file(path_, "mnist", {{"node1", 19400, 0}});
  const nlohmann::json groups = nlohmann::json::parse(base::read_file(path_));
  for (const auto& [name, value] : groups[0]["labels"].items()) {
    EXPECT_TRUE(name == "job" || name.starts_with("__")) << name;
  }
}

TEST_F(ServiceDiscovery, DisappearsWithTheRun) {
  {
    const ServiceDiscoveryFile file(path_, "mnist", {{"node1", 19400, 0}});
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ServiceDiscovery, IsWhereTheShippedPrometheusConfigurationLooks) {
  EXPECT_EQ(service_discovery_path("runs", "mnist"), "runs/mnist.prometheus.json");
}

TEST_F(ServiceDiscovery, IsNoReasonToStopARun) {
  ::testing::internal::CaptureStderr();
  {
    const ServiceDiscoveryFile file("/nonexistent/mnist.prometheus.json", "mnist",
                                    {{"node1", 19400, 0}});
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace vae_dist::metrics
