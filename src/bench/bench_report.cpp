#include "bench/bench_report.hpp"

#include <nlohmann/json.hpp>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"

namespace vae_dist::bench {
namespace {

// Avoids "1e+02 %", which is hard to read.
std::string percent(double share) {
  return base::digits(100 * share, share < 0.995 ? 2 : 3) + " %";
}

std::string tera(double operations_per_second) {
  return base::digits(1e-12 * operations_per_second, 3) + " TFLOP/s";
}

}  // namespace

std::string bench_text(const BenchResult& result) {
  base::TableRows rows;
  rows.emplace_back("samples/s", base::digits(result.samples_per_second));
  rows.emplace_back("step", base::text(base::milliseconds(result.step_seconds), " (median of ",
                                       result.steps, ")"));
  rows.emplace_back("data wait",
                    base::text(base::milliseconds(result.data_wait_seconds), ", ",
                               percent(result.data_wait_seconds / result.step_seconds)));
  if (result.ranks > 1 && result.exchange)
    rows.emplace_back("all-reduce wait",
                      base::text(base::milliseconds(result.allreduce_wait_seconds), ", ",
                                 percent(result.allreduce_wait_seconds / result.step_seconds)));
  rows.emplace_back(
      "arithmetic",
      base::text(tera(result.operations_per_second()), ": ",
                 percent(result.operations_per_second() / result.peak_operations_per_second),
                 " of the ", tera(result.peak_operations_per_second), " of a matrix product in ",
                 result.precision, " here"));
  rows.emplace_back(
      "memory",
      base::text(
          base::format_bytes(result.peak_memory_bytes), " resident in the rank with the most",
          result.peak_device_bytes > 0
              ? base::text(", ", base::format_bytes(result.peak_device_bytes), " of GPU memory")
              : ""));
  std::string out =
      base::text(result.model, ", G = ", result.global_batch, ", R = ", result.replicas, ", ",
                 result.ranks, result.ranks == 1 ? " rank" : " ranks", ", ", result.precision, ", ",
                 result.device, result.captured ? ", steps as CUDA graphs" : "",
                 result.exchange ? "" : ", without exchange", "\n", base::format_table(rows));
  if (result.parts.empty()) return out;

  const double whole = result.parts.back().second;
  base::TableRows parts;
  for (const auto& [name, seconds] : result.parts)
    parts.emplace_back(name,
                       base::text(base::milliseconds(seconds), ", ", percent(seconds / whole)));
  return out + "\nWhere the time of a step goes (means over steps and ranks):\n" +
         base::format_table(parts);
}

nlohmann::json bench_json(const BenchResult& result) {
  nlohmann::json out = {{"model", result.model},
                        {"precision", result.precision},
                        {"device", result.device},
                        {"ranks", result.ranks},
                        {"global_batch", result.global_batch},
                        {"replicas", result.replicas},
                        {"steps", result.steps},
                        {"exchange", result.exchange},
                        {"captured", result.captured},
                        {"samples_per_second", result.samples_per_second},
                        {"step_seconds", result.step_seconds},
                        {"data_wait_seconds", result.data_wait_seconds},
                        {"allreduce_wait_seconds", result.allreduce_wait_seconds},
                        {"operations_per_second", result.operations_per_second()},
                        {"peak_operations_per_second", result.peak_operations_per_second},
                        {"peak_bytes_per_rank", result.peak_memory_bytes},
                        {"peak_device_bytes_per_rank", result.peak_device_bytes}};
  for (const auto& [name, seconds] : result.parts) out["parts_seconds"][name] = seconds;
  return out;
}

}  // namespace vae_dist::bench
