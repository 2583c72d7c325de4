// The HTTP server behind /metrics: on the wanted port or the next free one, and gone at once when
// it is no longer needed.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace vae_dist::metrics {

class MetricsEndpoint {
 public:
  /// Serves `series` on address:port; `port` 0: any free one; taken: the next free one of the
  /// following 100. Throws Failure when none of them can be served.
  MetricsEndpoint(const std::string& address, int port,
                  const std::vector<std::shared_ptr<prometheus::Collectable>>& series);
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  int port() const { return port_; }

 private:
  std::string address_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  int port_ = 0;
};

}  // namespace vae_dist::metrics
