#include "metrics/textfile.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

#include <exception>
#include <system_error>
#include <utility>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"

namespace vae_dist::metrics {

std::filesystem::path textfile_path(const std::filesystem::path& directory, const std::string& user,
                                    const std::string& run, int rank) {
  return directory /
         base::utf8_text(base::text("vae_dist-", user, "-", run, "-rank", rank, ".prom"));
}

Textfile::Textfile(std::filesystem::path path,
                   std::vector<std::shared_ptr<prometheus::Collectable>> series,
                   base::Seconds interval)
    : path_(std::move(path)), series_(std::move(series)) {
  write();
  writer_ = std::jthread([this, interval](const std::stop_token& stop) {
    constexpr int kNiceness = 19;  // on Linux, of the calling thread only
    ::setpriority(PRIO_PROCESS, 0, kNiceness);
    std::unique_lock lock(mutex_);
    while (!wakes_.wait_for(lock, stop, interval, [&] { return stop.stop_requested(); })) write();
  });
}

Textfile::~Textfile() {
  writer_.request_stop();
  writer_.join();
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void Textfile::write() {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& each : series_)
    for (prometheus::MetricFamily& family : each->Collect()) families.push_back(std::move(family));
  try {
    base::replace_file(path_, prometheus::TextSerializer().Serialize(families));
    failed_ = false;
  } catch (const std::exception& error) {
    if (!std::exchange(failed_, true))
      log::warn(
          base::text("node_exporter does not see this rank (metrics.textfile): ", error.what()));
  }
}

}  // namespace vae_dist::metrics
