#include "metrics/textfile.hpp"

#include <gmock/gmock.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <atomic>
#include <set>
#include <sstream>

#include "../eventually.hpp"
#include "../temporary_folder.hpp"
#include "metrics/run_metrics.hpp"
#include "scrape.hpp"

namespace vae_dist::metrics {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class TextfileTest : public TemporaryFolderTest {};

// The lines of our series and of their types, without those that change by themselves.
std::set<std::string> lines_of(const std::string& exposition) {
  std::set<std::string> out;
  std::istringstream lines(exposition);
  for (std::string line; std::getline(lines, line);)
    if (line.find("vae_dist_") != std::string::npos &&
        line.find("vae_dist_resident_memory_bytes{") == std::string::npos)
      out.insert(line);
  return out;
}

MetricsIdentity identity() {
  MetricsIdentity out{.run = "mnist", .host = "node1", .rank = 0, .user = "ada"};
  out.read_energy = [] {
    return base::EnergyReadings{.gpu = 12.5, .packages = {{"0", 3.5}, {"1", 4.5}}};
  };
  out.gpu = "0";
  return out;
}

TEST_F(TextfileTest, HoldsTheSeriesThatAreServed) {
  RunMetrics metrics(identity(), {.steps_planned = 100, .global_batch = 8}, "127.0.0.1", 0,
                     path("ours.prom"));
  const auto served = [&] { return lines_of(scrape(*metrics.port())); };
  const auto kept = [&] { return lines_of(bytes_of(path("ours.prom"))); };
  EXPECT_EQ(kept(), served());
  const std::vector<std::string> energy = {
      R"(vae_dist_cpu_package_joules_total{host="node1",package="1",rank="0",run="mnist",)"
      R"(user="ada"} 4.5)",
      R"(vae_dist_gpu_joules_total{gpu="0",host="node1",rank="0",run="mnist",user="ada"} 12.5)",
      "# TYPE vae_dist_gpu_joules_total counter"};
  EXPECT_THAT(served(), testing::IsSupersetOf(energy));
}

TEST_F(TextfileTest, FollowsTheSeriesAndIsRemoved) {
  const auto registry = std::make_shared<prometheus::Registry>();
  prometheus::Counter& steps =
      prometheus::BuildCounter().Name("vae_dist_steps_total").Help("h").Register(*registry).Add({});
  {
    const Textfile file(path("a.prom"), {registry}, base::Seconds(0.001));
    EXPECT_THAT(bytes_of(path("a.prom")), HasSubstr("\nvae_dist_steps_total 0\n"));
    steps.Increment(7);
    EXPECT_TRUE(eventually([&] {
      return bytes_of(path("a.prom")).find("\nvae_dist_steps_total 7\n") != std::string::npos;
    }));
  }
  EXPECT_THAT(files(), IsEmpty()) << "nor is a temporary file left";
}

// node_exporter reads while the file is replaced.
TEST_F(TextfileTest, IsNeverSeenInPart) {
  const auto registry = std::make_shared<prometheus::Registry>();
  auto& family =
      prometheus::BuildCounter().Name("vae_dist_many_total").Help("h").Register(*registry);
  for (int i = 0; i < 1000; ++i) family.Add({{"number", std::to_string(i)}});
  const Textfile file(path("a.prom"), {registry}, base::Seconds(1e-6));
  const std::string whole = bytes_of(path("a.prom"));
  for (int reading = 0; reading < 200; ++reading) ASSERT_EQ(bytes_of(path("a.prom")), whole);
}

// Counts how often it is asked for its series.
struct Counted : prometheus::Collectable {
  mutable std::atomic<int> times = 0;

  std::vector<prometheus::MetricFamily> Collect() const override {
    ++times;
    return {};
  }
};

TEST_F(TextfileTest, ThatCannotBeWrittenIsToldOnce) {
  testing::internal::CaptureStderr();
  const auto series = std::make_shared<Counted>();
  {
    const Textfile file(path("no/such/folder/a.prom"), {series}, base::Seconds(0.001));
    EXPECT_TRUE(eventually([&] { return series->times > 3; })) << "it tries again";
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("node_exporter does not see this rank (metrics.textfile): cannot "
                              "open"));
  EXPECT_EQ(said.find("metrics.textfile"), said.rfind("metrics.textfile"));
}

TEST_F(TextfileTest, IsNamedAfterUserRunAndRank) {
  EXPECT_EQ(textfile_path("/c", "ada", "mnist", 3), "/c/vae_dist-ada-mnist-rank3.prom");
  EXPECT_THAT(textfile_path("/c", "ada", "caf\xe9", 0).string(), EndsWith(R"(caf\xe9-rank0.prom)"));
}

}  // namespace
}  // namespace vae_dist::metrics
