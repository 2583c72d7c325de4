// The HTTP server behind /metrics. It takes the wanted port or the next free one, and stops without
// delay.
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
  /// Serves `series` on address:port. If `port` is 0, takes any free port; if `port` is taken,
  /// takes the next free one of the following 100. Throws Failure if it can serve none of them.
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
