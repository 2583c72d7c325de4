// Tests what is pushed at the end of a job, with a listener in place of the gateway.
// tests/process/outcome_test.py uses a real Pushgateway.
#include "run/job_outcome.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace vae_dist::run {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr base::Seconds kHangs{600};

// Answers one request with "200 OK" and keeps the request.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(socket_, 1);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { answer(); });
  }
  ~Listener() { heard(); }

  std::string gateway() const { return "127.0.0.1:" + std::to_string(port_); }

  // Stops the listener and returns the request.
  std::string heard() {
    if (thread_.joinable()) {
      ::shutdown(socket_, SHUT_RDWR);
      thread_.join();
      ::close(socket_);
    }
    return heard_;
  }

 private:
  void answer() {
    const int client = ::accept(socket_, nullptr, nullptr);
    if (client < 0) return;
    char buffer[4096];
    while (!is_complete()) {
      const ssize_t count = ::read(client, buffer, sizeof buffer);
      if (count <= 0) break;
      heard_.append(buffer, static_cast<std::size_t>(count));
    }
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    [[maybe_unused]] const ssize_t written = ::write(client, ok.data(), ok.size());
    ::close(client);
  }

  bool is_complete() const {
    const std::string length = "Content-Length: ";
    const std::size_t at = heard_.find(length), body = heard_.find("\r\n\r\n");
    return at != std::string::npos && body != std::string::npos &&
           heard_.size() - body - 4 >= std::stoul(heard_.substr(at + length.size()));
  }

  int socket_, port_ = 0;
  std::string heard_;
  std::thread thread_;
};

config::Config pushes_to(const std::string& gateway) {
  config::Config config;
  config.run.name = "shapes";
  config.metrics.push_gateway = gateway;
  return config;
}

metrics::StepMetrics step_of(std::int64_t step, double loss, bool skipped = false) {
  metrics::StepMetrics out;
  out.step = step;
  out.loss = loss;
  out.skipped = skipped;
  return out;
}

TEST(JobOutcome, TellsTheLastStepAndTheLossOfTheLastThatWasNotSkipped) {
  Listener gateway;
  JobOutcome end(pushes_to(gateway.gateway()));
  end.begin(10);
  end.note(step_of(11, 0.25));
  end.note(step_of(12, 7.5, /*skipped=*/true));
  end.push("stopped", kHangs);
  EXPECT_THAT(gateway.heard(),
              AllOf(HasSubstr("run/shapes"), HasSubstr("stopped"), HasSubstr(" 12\n"),
                    HasSubstr(" 0.25\n"), Not(HasSubstr(" 7.5\n"))));
}

TEST(JobOutcome, IsToldOnce) {
  Listener first;
  JobOutcome end(pushes_to(first.gateway()));
  end.begin(0);
  end.push("failed", kHangs);
  EXPECT_THAT(first.heard(), HasSubstr("failed"));
  end.push("done", kHangs);  // the listener has stopped, so a second push would log a warning
}

TEST(JobOutcome, OfAJobThatNeverBeganToTrainIsNotTold) {
  Listener gateway;
  JobOutcome end(pushes_to(gateway.gateway()));
  end.push("failed", kHangs);
  EXPECT_THAT(gateway.heard(), IsEmpty());
}

TEST(JobOutcome, AGatewayThatIsNotThereIsAWarning) {
  std::string nowhere;
  {
    Listener gone;
    nowhere = gone.gateway();
  }
  JobOutcome end(pushes_to(nowhere));
  end.begin(0);
  testing::internal::CaptureStderr();
  end.push("done", kHangs);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning"), HasSubstr("metrics.push_gateway")));
}

}  // namespace
}  // namespace vae_dist::run
