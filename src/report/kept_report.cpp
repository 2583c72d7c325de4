#include "report/kept_report.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist::report {
namespace {

constexpr double kShareOfTime = 0.02;

}  // namespace

void KeptReport::refresh() {
  if (since_written_.elapsed() * kShareOfTime >= took_) finish();
}

void KeptReport::finish() {
  const base::Stopwatch watch;
  try {
    file_.write();
    failed_ = false;
  } catch (const std::exception& error) {
    if (!failed_) log::warn(base::text("report.html was not written: ", error.what()));
    failed_ = true;
  }
  took_ = watch.elapsed();
  since_written_.restart();
}

}  // namespace vae_dist::report
