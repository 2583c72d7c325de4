#include "run/run_environment.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/text.hpp"

namespace vae_dist::run {
namespace {

TEST(HostsText, CountsTheRanksOfEachHost) {
  EXPECT_EQ(hosts_text({"a", "a", "b"}), "a (2 ranks), b (1 rank)");
  EXPECT_EQ(hosts_text({"b", "a", "b", "a"}), "b (2 ranks), a (2 ranks)");
  EXPECT_EQ(hosts_text({}), "");
}

class EnvironmentFile : public ::testing::Test {
 protected:
  ~EnvironmentFile() override { std::filesystem::remove(path_); }

  // Starts the run: reads and writes the file, and returns the count of restarts.
  std::int64_t start(bool resumed) {
    const std::unique_ptr<comm::CpuCommunicator> alone = comm::make_self_communicator();
    device::DeviceChoice device;
    device.backend = device::Backend::self;
    const RunEnvironment environment = run_environment({"fedcba9876543210", "0123456789ab"}, device,
                                                       "node1", resumed, path_, *alone);
    write_environment(path_, environment, 1);
    return environment.restarts;
  }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                base::text("run_environment_test_", ::getpid(), ".json");
};

TEST_F(EnvironmentFile, CountsHowOftenARunWentOn) {
  EXPECT_EQ(start(false), 0);
  EXPECT_EQ(start(true), 1);
  EXPECT_EQ(start(true), 2);
  EXPECT_EQ(start(false), 0) << "a new run of the same name";
}

TEST_F(EnvironmentFile, CountsFromAnewWhereTheFileIsDamaged) {
  base::replace_file(path_, "{\"restarts\": \"ma");
  EXPECT_EQ(start(true), 1);
  base::replace_file(path_, "{\"restarts\": -7}");
  EXPECT_EQ(start(true), 1);
}

TEST_F(EnvironmentFile, TellsWhatTheRunRanOn) {
  start(false);
  const auto object = nlohmann::json::parse(base::read_file(path_));
  EXPECT_EQ(object["build"], "fedcba9876543210");
  EXPECT_EQ(object["git revision"], "0123456789ab");
  EXPECT_EQ(object["hosts"], "node1 (1 rank)");
  EXPECT_EQ(object["ranks"], 1);
  EXPECT_FALSE(object["torch"].get<std::string>().empty());
}

}  // namespace
}  // namespace vae_dist::run
