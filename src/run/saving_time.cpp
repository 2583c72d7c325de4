#include "run/saving_time.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"

namespace vae_dist::run {
namespace {

// Slower than any disk and any file system that a run should have.
constexpr double kHashedPerSecond = 100e6, kWrittenPerSecond = 20e6;
constexpr double kSlowerThanLast = 5;

// What a loss costs before the first byte is written: to be noticed, and to be agreed upon.
constexpr base::Seconds kToAgree{0.7};
constexpr double kMargin = 2;

bool fits(base::Seconds last, base::Seconds there_is) {
  return kToAgree + kMargin * last <= there_is;
}

}  // namespace

void write_checkpoint_time(const std::filesystem::path& file, base::Seconds took) {
  std::ofstream(file) << nlohmann::json{{"seconds", took.count()}}.dump() << '\n';
}

std::optional<base::Seconds> read_checkpoint_time(const std::filesystem::path& file) {
  try {
    const double seconds = nlohmann::json::parse(base::read_file(file)).at("seconds");
    if (std::isfinite(seconds) && seconds >= 0) return base::Seconds(seconds);
  } catch (const base::BadInput&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return std::nullopt;
}

SavingTimes saving_times(std::int64_t state_bytes, std::optional<base::Seconds> last,
                         base::Seconds most) {
  const auto bytes = static_cast<double>(state_bytes);
  const base::Seconds by_size(bytes / kWrittenPerSecond);
  SavingTimes out;
  out.to_hold = base::Seconds(2 + bytes / kHashedPerSecond);
  out.to_gather = base::Seconds(3 + bytes / kHashedPerSecond);
  out.to_write = base::Seconds(10) + std::max(by_size, kSlowerThanLast * last.value_or(by_size));
  if (out.all() <= most) return out;
  const double share = most / out.all();
  return {share * out.to_hold, share * out.to_gather, share * out.to_write};
}

SavingTimes within(const SavingTimes& times, base::Seconds until_killed) {
  constexpr double kShare = 0.35;
  return {std::min(times.to_hold, kShare * until_killed),
          std::min(times.to_gather, kShare * until_killed), times.to_write};
}

std::string lost_rank_text(const LauncherFacts& launcher, std::optional<base::Seconds> last) {
  const std::string took =
      last ? base::text(", the last checkpoint took ", base::digits(last->count()), " s") : "";
  if (launcher.mpirun == 0) return base::text("the others save the last step", took);
  const std::string there_is = base::text(base::digits(launcher.until_killed.count()), " s");
  if (!last || fits(*last, launcher.until_killed))
    return base::text("the others save the last step: mpirun leaves them ", there_is, took);
  const double needed = std::ceil((kToAgree + kMargin * *last).count() / 2);
  return base::text("mpirun leaves the others ", there_is, ", too short to save the last step",
                    took, ". OMPI_MCA_odls_base_sigkill_timeout=", base::digits(needed),
                    " in mpirun's environment is enough, and launcher/vae_launch sets it");
}

}  // namespace vae_dist::run
