#include "bench/bench_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "base/text_table.hpp"
#include "kernels/convolution_choice.hpp"

namespace vae_dist::bench {
namespace {

// Avoids "1e+02 %", which is hard to read.
std::string percent(double share) {
  return base::digits(100 * share, share < 0.995 ? 2 : 3) + " %";
}

std::string tera(double operations_per_second) {
  return base::digits(1e-12 * operations_per_second, 3) + " TFLOP/s";
}

// More ranks than this are summarised by the extremes.
constexpr std::size_t kRanksListed = 8;

// Returns ", by rank 12.5, 13.1 ms"; nothing for a single rank.
std::string by_rank(const std::vector<double>& seconds) {
  if (seconds.size() == 1) return "";
  if (seconds.size() > kRanksListed) {
    const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
    return base::text(", from ", base::milliseconds(*least), " (rank ", least - seconds.begin(),
                      ") to ", base::milliseconds(*most), " (rank ", most - seconds.begin(), ")");
  }
  std::string out = ", by rank ";
  for (std::size_t rank = 0; rank < seconds.size(); ++rank)
    out += (rank == 0 ? "" : ", ") + base::digits(1e3 * seconds[rank], 3);
  return out + " ms";
}

// Says how convolutions were computed, layer by layer, in the words of train.convolutions.
std::string convolutions_text(const std::string& plan) {
  const auto written = kernels::ConvolutionChoice::parse_json(plan);
  base::TableRows rows;
  if (written.forced) rows.emplace_back("all", kernels::word(*written.forced));
  for (const auto& [shape, ways] : written.by_shape)
    rows.emplace_back(shape.text(), base::text(kernels::word(ways.forward), ", ",
                                               kernels::word(ways.input_gradient), ", ",
                                               kernels::word(ways.weight_gradient)));
  return "\nHow convolutions were computed (forward, gradient of the input, of the weights):\n" +
         base::format_table(rows);
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
  if (!result.cpu.empty()) rows.emplace_back("CPU", result.cpu);
  rows.emplace_back(
      "arithmetic",
      base::text(
          tera(result.operations_per_second()), ": ",
          percent(result.operations_per_second() / result.peak_operations_per_second), " of the ",
          tera(result.peak_operations_per_second), " of a matrix product in ",
          result.rounded ? "fp32" : result.precision, " here",
          result.fma_operations_per_second > 0
              ? base::text(
                    ", ",
                    percent(result.operations_per_second() / result.fma_operations_per_second),
                    " of the ", tera(result.fma_operations_per_second),
                    " of fused multiply-adds in ", result.precision == "fp64" ? "fp64" : "fp32")
              : ""));
  rows.emplace_back(
      "memory",
      base::text(
          base::format_bytes(result.peak_memory_bytes), " resident in the rank with the most",
          result.peak_device_bytes > 0
              ? base::text(", ", base::format_bytes(result.peak_device_bytes), " of GPU memory")
              : ""));
  std::string out =
      base::text(result.model, ", G = ", result.global_batch, ", R = ", result.replicas, ", ",
                 result.ranks, result.ranks == 1 ? " rank" : " ranks", ", ", result.precision,
                 result.rounded ? " (rounded, multiplied in fp32)" : "", ", ", result.device,
                 result.captured ? ", steps as CUDA graphs" : "",
                 result.exchange ? "" : ", without exchange", "\n", base::format_table(rows));
  if (result.parts.empty()) return out;

  const double whole = result.parts.back().mean();
  base::TableRows parts;
  for (const StepPart& part : result.parts)
    parts.emplace_back(part.name, base::text(base::milliseconds(part.mean()), ", ",
                                             percent(part.mean() / whole), by_rank(part.seconds)));
  out +=
      "\nWhere the time of a step goes (means over steps and ranks):\n" + base::format_table(parts);
  return result.convolutions.empty() ? out : out + convolutions_text(result.convolutions);
}

nlohmann::json bench_json(const BenchResult& result) {
  nlohmann::json out = {{"model", result.model},
                        {"precision", result.precision},
                        {"device", result.device},
                        {"cpu", result.cpu},
                        {"rounded", result.rounded},
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
                        {"operations_per_step", result.operations_per_step},
                        {"peak_operations_per_second", result.peak_operations_per_second},
                        {"fma_operations_per_second", result.fma_operations_per_second},
                        {"peak_bytes_per_rank", result.peak_memory_bytes},
                        {"peak_device_bytes_per_rank", result.peak_device_bytes}};
  if (!result.convolutions.empty())
    out["convolutions"] = nlohmann::json::parse(result.convolutions);
  for (const StepPart& part : result.parts) {
    out["parts_seconds"][part.name] = part.mean();
    out["parts_seconds_by_rank"][part.name] = part.seconds;
  }
  return out;
}

}  // namespace vae_dist::bench
