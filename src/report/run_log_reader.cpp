#include "report/run_log_reader.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::report {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kPiece = 1 << 20;

// metrics.jsonl stores values that are not finite as null.
template <typename Json>
std::optional<double> number(const Json& value) {
  if (value.is_null()) return std::nan("");
  if (value.is_number()) return value.template get<double>();
  return std::nullopt;
}

double number_of(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? std::nan("") : number(*found).value_or(std::nan(""));
}

void add_evaluation(const ordered_json& object, RunRecord& run) {
  ReportEvaluation evaluation;
  evaluation.step = number_of(object, "step");
  evaluation.epoch = number_of(object, "epoch");
  evaluation.on = object["evaluated"].is_string() ? object["evaluated"].get<std::string>() : "";
  for (const auto& [name, value] : object.items()) {
    if (name == "step" || name == "epoch" || name == "evaluated") continue;
    if (name == "kld_per_dimension" && value.is_array()) {
      run.kld_per_dimension.clear();
      for (const auto& each : value)
        run.kld_per_dimension.push_back(number(each).value_or(std::nan("")));
    } else if (const auto plain = number(value)) {
      evaluation.values.emplace_back(metrics::name_beside_a_step(name), *plain);
    }
  }
  run.evaluations.push_back(std::move(evaluation));
}

void add_ranks(const ordered_json& ranks, RunRecord& run) {
  run.ranks.clear();
  for (const auto& each : ranks) {
    if (!each.is_object()) continue;
    const auto host = each.find("host");
    RankTimes times;
    times.name = base::text("rank ", run.ranks.size());
    if (const double rank = number_of(each, "rank"); std::isfinite(rank))
      times.name = base::text("rank ", rank);
    if (host != each.end() && host->is_string())
      times.name += " (" + host->get<std::string>() + ")";
    times.step = number_of(each, "step_seconds");
    times.data_wait = number_of(each, "data_wait_seconds");
    times.allreduce_wait = number_of(each, "allreduce_wait_seconds");
    run.ranks.push_back(std::move(times));
  }
}

}  // namespace

void add_log_line(std::string_view line, RunRecord& run) {
  const auto object = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return;
  const double step = number_of(object, "step");
  if (!std::isfinite(step)) return;
  if (object.contains("evaluated")) return add_evaluation(object, run);
  for (const auto& [name, value] : object.items()) {
    if (name == "step") continue;
    if (name == "ranks" && value.is_array()) add_ranks(value, run);
    const auto plain = number(value);
    if (!plain) continue;
    Curve& curve = run.curves[name];
    curve.step.push_back(step);
    curve.value.push_back(*plain);
  }
}

void RunLogReader::read_into(RunRecord& run) {
  std::ifstream file(path_, std::ios::binary | std::ios::ate);
  if (!file)
    throw base::BadInput(base::text("cannot read ", path_.string(), ": ", std::strerror(errno)));
  const auto size = static_cast<std::uintmax_t>(file.tellg());
  if (size < read_) {
    read_ = 0;
    run.curves.clear();
    run.evaluations.clear();
    run.kld_per_dimension.clear();
    run.ranks.clear();
  }
  file.seekg(static_cast<std::streamoff>(read_));
  // Reads in pieces, so that a long log is never in memory as text.
  std::string pending;
  while (read_ + pending.size() < size) {
    const std::size_t before = pending.size();
    pending.resize(before + kPiece);
    file.read(pending.data() + before, kPiece);
    const auto got = static_cast<std::size_t>(file.gcount());
    pending.resize(before + got);
    if (got == 0) break;
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1)
      add_log_line(std::string_view(pending).substr(begin, end - begin), run);
    pending.erase(0, begin);
    read_ += begin;
    if (!file) break;
  }
}

}  // namespace vae_dist::report
