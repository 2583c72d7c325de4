#include "bench/step_parts.hpp"

#include <ATen/record_function.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "base/clock.hpp"
#include "device/synchronize.hpp"

namespace vae_dist::bench {
namespace {

// Callbacks of RecordFunction are plain functions, so the measurement is global to the process.
std::atomic<bool> measuring{false};
std::mutex mutex;
c10::Device measured_device = c10::kCPU;
std::map<std::string, double> seconds;

struct Started : at::ObserverContext {
  base::Stopwatch watch;
};

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  return std::make_unique<Started>();
}

void end(const at::RecordFunction& function, at::ObserverContext* started) {
  device::synchronize(measured_device);
  const std::scoped_lock lock(mutex);
  seconds[function.name()] += static_cast<Started*>(started)->watch.elapsed().count();
}

}  // namespace

StepParts::StepParts(c10::Device measured) {
  if (measuring.exchange(true))
    throw std::logic_error("the parts of steps are already being measured");
  measured_device = measured;
  take();
  callback_ = at::addGlobalCallback(
      at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::USER_SCOPE}));
}

StepParts::~StepParts() {
  at::removeCallback(callback_);
  measuring = false;
}

std::map<std::string, double> StepParts::take() {
  const std::scoped_lock lock(mutex);
  return std::exchange(seconds, {});
}

}  // namespace vae_dist::bench
