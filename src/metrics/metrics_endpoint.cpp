#include "metrics/metrics_endpoint.hpp"

#include <netdb.h>
#include <prometheus/exposer.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist::metrics {
namespace {

constexpr int kPortsToTry = 101;
constexpr int kHighestPort = 65535;

std::string bind_address(const std::string& address, int port) {
  const bool bare_ipv6 = address.find(':') != std::string::npos && address.front() != '[';
  return bare_ipv6 ? base::text("[", address, "]:", port) : base::text(address, ":", port);
}

// A connection that sends nothing, or does not read its answer, occupies one of these threads until
// it times out. With civetweb's default of 30 s and the library's two threads, ten such connections
// would silence a rank for minutes.
constexpr int kThreads = 16;
constexpr int kRequestTimeoutMs = 2000;

// The server's threads inherit this value and run only when training leaves CPU time: on a machine
// whose cores are all busy, a flood of scrapes costs next to nothing.
constexpr int kNiceness = 19;

std::unique_ptr<prometheus::Exposer> make_exposer(const std::string& address, int port) {
  const std::vector<std::string> options = {
      "listening_ports",        bind_address(address, port), "num_threads",
      std::to_string(kThreads), "request_timeout_ms",        std::to_string(kRequestTimeoutMs)};
  return std::async(std::launch::async,
                    [&] {
                      ::setpriority(PRIO_PROCESS, 0,
                                    kNiceness);  // on Linux, this affects only the calling thread
                      return std::make_unique<prometheus::Exposer>(options);
                    })
      .get();
}

// The library reports "possible problem binding to port" for every failed start, including a taken
// port, so every failure moves on to the next port.
std::unique_ptr<prometheus::Exposer> start(const std::string& address, int wanted) {
  const int last = wanted == 0 ? 0 : std::min(wanted + kPortsToTry - 1, kHighestPort);
  std::string reason;
  for (int port = wanted; port <= last; ++port) {
    try {
      return make_exposer(address, port);
    } catch (const std::exception& error) {
      reason = error.what();
    }
  }
  throw base::Failure(base::text("cannot serve metrics on ", address, ", ports ", wanted, " to ",
                                 last, ": ", reason));
}

void connect_once(const std::string& address, int port) {
  std::string host = address;
  std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return;
  const int connection = ::socket(
      found->ai_family, found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
  if (connection >= 0) {
    // The connection need not complete: this machine's kernel accepts it, and the server's poll
    // returns.
    [[maybe_unused]] const int result = ::connect(connection, found->ai_addr, found->ai_addrlen);
    ::close(connection);
  }
  ::freeaddrinfo(found);
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(
    const std::string& address, int port,
    const std::vector<std::shared_ptr<prometheus::Collectable>>& series)
    : address_(address), exposer_(start(address, port)) {
  port_ = exposer_->GetListeningPorts().front();
  if (port != 0 && port_ != port)
    log::info(base::text("metrics: port ", port, " is taken, using ", port_));
  for (const auto& each : series) exposer_->RegisterCollectable(each);
}

// civetweb checks for a stop only every 2 s while it waits for connections. A short run or a
// requested stop should not wait for that, and a connection wakes it at once.
MetricsEndpoint::~MetricsEndpoint() {
  std::atomic<bool> stopped = false;
  std::jthread stopping([&] {
    exposer_.reset();
    stopped = true;
  });
  while (!stopped) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (!stopped) connect_once(address_, port_);
  }
}

}  // namespace vae_dist::metrics
