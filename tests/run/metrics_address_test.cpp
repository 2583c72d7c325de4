#include "run/metrics_address.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

namespace vae_dist::run {
namespace {

using ::testing::HasSubstr;

// Removes the variables of batch systems, one of which may run the tests.
class MetricsAddress : public ::testing::Test {
 protected:
  MetricsAddress() {
    for (const char* const name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"}) ::unsetenv(name);
  }
  ~MetricsAddress() override { ::unsetenv("SLURM_JOB_ID"); }
  config::MetricsConfig config_;
};

TEST_F(MetricsAddress, IsThisMachinesAloneWhereNobodyElseHasToAsk) {
  EXPECT_EQ(metrics_address(config_, /*several_hosts=*/false), "127.0.0.1");
  EXPECT_EQ(metrics_address_text(config_, false),
            "127.0.0.1, ports 19400 and up: reachable only from this machine (metrics.address)");
  EXPECT_EQ(scrape_host("127.0.0.1", "node1"), "127.0.0.1");
}

TEST_F(MetricsAddress, IsEverywhereOnSeveralHostsAndInASlurmJob) {
  EXPECT_EQ(metrics_address(config_, /*several_hosts=*/true), "0.0.0.0");
  EXPECT_THAT(metrics_address_text(config_, true),
              HasSubstr("open to anyone who can reach this machine"));
  ::setenv("SLURM_JOB_ID", "4711", 1);
  EXPECT_EQ(metrics_address(config_, false), "0.0.0.0");
  EXPECT_EQ(batch_job(), "4711");
  EXPECT_EQ(scrape_host("0.0.0.0", "node1"), "node1");
}

TEST_F(MetricsAddress, IsWhatIsAskedFor) {
  config_.address = "10.1.2.3";
  ::setenv("SLURM_JOB_ID", "4711", 1);
  EXPECT_EQ(metrics_address(config_, true), "10.1.2.3");
  EXPECT_EQ(
      metrics_address_text(config_, true),
      "10.1.2.3, ports 19400 and up: open to anyone who can reach this address (metrics.address)");
  config_.port = 0;
  EXPECT_THAT(metrics_address_text(config_, true), HasSubstr("any free ports"));
  config_.port.reset();
  EXPECT_EQ(metrics_address_text(config_, true), "none (metrics.port)");
}

}  // namespace
}  // namespace vae_dist::run
