// With nvml_stand_in.c as the driver's library: what is asked for, in which units it is served, and that what the driver does not tell is absent.
#include "device/nvml.hpp"

#include <gmock/gmock.h>

#include "metrics/run_metrics.hpp"
#include "../metrics/scrape.hpp"

namespace vae_dist::device {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GpuSensors, ReadTheGpuOfThatBusId) {
  const std::unique_ptr<GpuSensors> gpu = GpuSensors::open("0000:1B:00.0");
  ASSERT_TRUE(gpu);
  const base::GpuReadings readings = gpu->read();
  EXPECT_EQ(readings.memory_total_bytes, 80.0 * (1 << 30));
  EXPECT_EQ(readings.memory_used_bytes, 20.0 * (1 << 30));
  EXPECT_EQ(readings.utilization, 0.93);
  EXPECT_EQ(readings.celsius, 61);
  EXPECT_FALSE(readings.watts);
}

TEST(GpuSensors, AreNoneWhereThereIsNoSuchGpu) { EXPECT_FALSE(GpuSensors::open("0000:FF:00.0")); }

TEST(RunMetrics, ServesTheSensorsWithTheLabelOfTheGpu) {
  const std::shared_ptr<GpuSensors> gpu = GpuSensors::open("0000:1B:00.0");
  ASSERT_TRUE(gpu);
  metrics::MetricsIdentity identity{.run = "mnist", .host = "node1", .rank = 1, .local_rank = 1, .gpu = "1", .read_gpu = [gpu] { return gpu->read(); }};
  metrics::RunMetrics metrics(identity, {}, "127.0.0.1", 0);
  const std::string answer = metrics::scrape(*metrics.port()), labels = R"({gpu="1",host="node1",rank="1",run="mnist"})";
  EXPECT_EQ(metrics::value_of(answer, "vae_dist_gpu_memory_used_bytes" + labels), 20.0 * (1 << 30));
  EXPECT_EQ(metrics::value_of(answer, "vae_dist_gpu_memory_total_bytes" + labels), 80.0 * (1 << 30));
  EXPECT_EQ(metrics::value_of(answer, "vae_dist_gpu_utilization_ratio" + labels), 0.93);
  EXPECT_EQ(metrics::value_of(answer, "vae_dist_gpu_temperature_celsius" + labels), 61);
  EXPECT_THAT(answer, Not(HasSubstr("vae_dist_gpu_power_watts")));
}

}  // namespace
}  // namespace vae_dist::device
