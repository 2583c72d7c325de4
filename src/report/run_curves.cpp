#include "report/run_curves.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <set>

#include "base/text.hpp"
#include "metrics/step_terms.hpp"
#include "plot/axis.hpp"

namespace vae_dist::report {
namespace {

constexpr double kRatioForPowers =
    10;  // ratio of largest to smallest value above which the axis becomes logarithmic
constexpr std::size_t kDimensionsShown = 256;

constexpr const char* kSpeed[] = {"samples_per_second", "step_seconds", "data_wait_seconds",
                                  "allreduce_wait_seconds", "joules_per_1000_samples"};
// Shown elsewhere: as a reference line, in a warning, in a table.
constexpr const char* kNoCharts[] = {"mean_image_mse", "skipped", "samples", "epoch", "joules"};

// Returns the known terms under the names of curves, in the order of the page. A step and an
// evaluation share a chart if they have a value with the same name.
std::vector<base::Term> known_terms(std::span<const RunRecord> runs) {
  std::vector<base::Term> out;
  const auto add = [&](base::Term term) {
    term.name = metrics::name_beside_a_step(term.name);
    if (std::none_of(out.begin(), out.end(),
                     [&](const base::Term& each) { return each.name == term.name; }))
      out.push_back(std::move(term));
  };
  for (const metrics::EvaluationTerm& each : metrics::evaluation_terms()) add(each.term);
  for (const metrics::StepTerm& each : metrics::step_terms()) add(each.term);
  for (const RunRecord& run : runs)
    for (const base::Term& term : run.terms) add(term);
  return out;
}

template <typename Names>
bool among(const Names& names, const std::string& name) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](const char* each) { return name == each; });
}

bool constant(const Curve& curve) {
  return !curve.value.empty() &&
         std::all_of(curve.value.begin(), curve.value.end(),
                     [&](double value) { return value == curve.value.front(); });
}

const Curve* find(const RunRecord& run, const std::string& name) {
  const auto found = run.curves.find(name);
  return found == run.curves.end() ? nullptr : &found->second;
}

std::set<std::string> evaluated_on(std::span<const RunRecord> runs) {
  std::set<std::string> out;
  for (const RunRecord& run : runs)
    for (const ReportEvaluation& evaluation : run.evaluations) out.insert(evaluation.on);
  return out;
}

std::string series_name(std::span<const RunRecord> runs, const RunRecord& run,
                        const std::string& what) {
  return runs.size() == 1 ? what : what.empty() ? run.name : run.name + ", " + what;
}

void choose_y_axis(plot::LineChart& chart, bool may_be_logarithmic) {
  std::optional<plot::Range> all, later;
  bool positive = true;
  for (const plot::Series& series : chart.series) {
    all = plot::range_of(series.y, false, all);
    const std::size_t start = series.y.size() / 20;
    later = plot::range_of(std::span(series.y).subspan(start), false, later);
    positive = positive && std::none_of(series.y.begin(), series.y.end(),
                                        [](double y) { return std::isfinite(y) && y <= 0; });
  }
  if (!all) return;
  if (may_be_logarithmic && positive && all->high > kRatioForPowers * all->low) {
    chart.y.logarithmic = true;
  } else if (later && all->high - all->low > 8 * (later->high - later->low) &&
             later->low < later->high) {
    // The first steps start far above the rest, and would flatten the rest of the curve.
    const plot::Range seen = plot::padded(*later, false);
    chart.y.low = std::max(seen.low, std::min(all->low, seen.low));
    chart.y.high = seen.high;
    chart.caption = "The first steps lie outside the chart: all values range from " +
                    plot::number_label(all->low) + " to " + plot::number_label(all->high) + ".";
  }
}

// Draws, for every run, the curve of steps and the points of evaluations with this name.
plot::LineChart chart_of(std::span<const RunRecord> runs, const std::string& name,
                         const std::string& title, const std::string& unit, bool falls) {
  plot::LineChart chart{.title = title, .x = {.label = "step", .low = 0}, .y = {.label = unit}};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const int colour = runs.size() == 1 ? plot::kOwnColour : static_cast<int>(r) % plot::kColours;
    const Curve* steps = find(runs[r], name);
    if (steps && !steps->value.empty())
      chart.series.push_back(
          {.name = series_name(runs, runs[r], runs.size() == 1 ? "each step" : ""),
           .x = steps->step,
           .y = steps->value,
           .colour = colour});
    for (const std::string& on : evaluated_on(runs)) {
      const Curve points = evaluation_curve(runs[r], on, name);
      if (!points.value.empty())
        chart.series.push_back({.name = series_name(runs, runs[r], on),
                                .x = points.step,
                                .y = points.value,
                                .dots = true,
                                .dashed = true,
                                .colour = colour});
    }
  }
  choose_y_axis(chart, falls);
  // A single series needs no name besides the title.
  if (chart.series.size() == 1 && runs.size() == 1 && !chart.series[0].dots)
    chart.series[0].name.clear();
  return chart;
}

void add_mean_image(std::span<const RunRecord> runs, plot::LineChart& chart) {
  for (const std::string& on : evaluated_on(runs)) {
    const Curve mean_image = evaluation_curve(runs[0], on, "mean_image_mse");
    if (!mean_image.value.empty())
      chart.lines.push_back(
          {base::text("the mean image's", evaluated_on(runs).size() > 1 ? ", " + on : ""),
           mean_image.value.back()});
  }
}

std::set<std::string> all_names(std::span<const RunRecord> runs) {
  std::set<std::string> out;
  for (const RunRecord& run : runs) {
    for (const auto& [name, curve] : run.curves) out.insert(name);
    for (const ReportEvaluation& evaluation : run.evaluations)
      for (const auto& [name, value] : evaluation.values) out.insert(name);
  }
  return out;
}

bool changes(std::span<const RunRecord> runs, const std::string& name) {
  for (const RunRecord& run : runs) {
    if (const Curve* curve = find(run, name); curve && !curve->value.empty() && !constant(*curve))
      return true;
    for (const std::string& on : evaluated_on(runs))
      if (!evaluation_curve(run, on, name).value.empty()) return true;
  }
  return false;
}

std::vector<double> milliseconds(const std::vector<double>& seconds) {
  std::vector<double> out;
  for (const double each : seconds) out.push_back(1000 * each);
  return out;
}

std::string spoken(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return name;
}

std::vector<RankTimes> rank_times(const RunRecord& run) {
  if (!run.ranks.empty()) return run.ranks;
  const auto typical = [&](const char* name) {
    const Curve* curve = find(run, name);
    return curve ? median(curve->value) : std::nan("");
  };
  // metrics.jsonl holds the times of rank 0.
  return {{"rank 0", typical("step_seconds"), typical("data_wait_seconds"),
           typical("allreduce_wait_seconds")}};
}

}  // namespace

double median(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Curve evaluation_curve(const RunRecord& run, const std::string& on, const std::string& name) {
  Curve out;
  for (const ReportEvaluation& evaluation : run.evaluations) {
    if (evaluation.on != on) continue;
    for (const auto& [each, value] : evaluation.values) {
      if (each != name) continue;
      out.step.push_back(evaluation.step);
      out.value.push_back(value);
    }
  }
  return out;
}

std::vector<plot::Figure> learning_charts(std::span<const RunRecord> runs) {
  std::vector<plot::Figure> out;
  const std::vector<base::Term> known = known_terms(runs);
  for (const base::Term& term : known) {
    if (among(kNoCharts, term.name) || !changes(runs, term.name)) continue;
    plot::LineChart chart = chart_of(runs, term.name, term.title, term.unit, term.falls);
    if (term.name == "mse") add_mean_image(runs, chart);
    if (term.counts) chart.y.low = 0;
    out.push_back(plot::draw(chart));
  }
  // Series without a description come from an older run or another program.
  for (const std::string& name : all_names(runs)) {
    const bool shown = among(kSpeed, name) || among(kNoCharts, name) ||
                       std::any_of(known.begin(), known.end(),
                                   [&](const base::Term& term) { return name == term.name; });
    if (!shown && changes(runs, name))
      out.push_back(plot::draw(chart_of(runs, name, spoken(name), "", false)));
  }
  return out;
}

std::vector<plot::Figure> speed_charts(std::span<const RunRecord> runs) {
  std::vector<plot::Figure> out;
  const auto any_has = [&](const char* name) {
    return std::any_of(runs.begin(), runs.end(),
                       [&](const RunRecord& run) { return find(run, name) != nullptr; });
  };
  if (any_has("samples_per_second"))
    out.push_back(plot::draw(chart_of(runs, "samples_per_second", "Throughput, all ranks together",
                                      "samples per second", false)));
  if (any_has("joules_per_1000_samples"))
    out.push_back(plot::draw(chart_of(runs, "joules_per_1000_samples",
                                      "Energy of 1,000 samples, since the start of the process",
                                      "J", false)));
  if (!any_has("step_seconds")) return out;

  plot::LineChart times{.title = runs.size() == 1 ? "Time of a step, on rank 0" : "Time of a step",
                        .x = {.label = "step", .low = 0},
                        .y = {.label = "ms"}};
  for (const RunRecord& run : runs) {
    const auto add = [&](const char* name, const std::string& words) {
      if (const Curve* curve = find(run, name))
        times.series.push_back({.name = series_name(runs, run, words),
                                .x = curve->step,
                                .y = milliseconds(curve->value)});
    };
    add("step_seconds", runs.size() == 1 ? "whole step" : "");
    if (runs.size() > 1) continue;
    add("data_wait_seconds", "waiting for data");
    add("allreduce_wait_seconds", "waiting for the all-reduce");
  }
  out.push_back(plot::draw(times));

  plot::StackedBars bars{.title = "Where the time of a step goes",
                         .caption = {},
                         .x_label = "ms per step",
                         .parts = {"computing", "waiting for data", "waiting for the all-reduce"},
                         .bars = {}};
  bool all_ranks = true;
  for (const RunRecord& run : runs) {
    all_ranks = all_ranks && !run.ranks.empty();
    for (const RankTimes& rank : rank_times(run)) {
      const double computing = rank.step - rank.data_wait - rank.allreduce_wait;
      bars.bars.push_back({runs.size() == 1 ? rank.name : run.name + ", " + rank.name,
                           milliseconds({computing, rank.data_wait, rank.allreduce_wait})});
    }
  }
  if (!all_ranks) bars.caption = "Rank 0, from metrics.jsonl: medians over its logged steps.";
  out.push_back(plot::draw(bars));
  return out;
}

plot::Table constant_curves(std::span<const RunRecord> runs) {
  const std::vector<base::Term> known = known_terms(runs);
  plot::Table table;
  table.header.emplace_back("The same at every step");
  for (const RunRecord& run : runs)
    table.header.emplace_back(runs.size() == 1 ? "value" : run.name);
  for (const std::string& name : all_names(runs)) {
    const bool counted = among(kSpeed, name) || among(kNoCharts, name);
    const bool has = std::any_of(runs.begin(), runs.end(),
                                 [&](const RunRecord& run) { return find(run, name) != nullptr; });
    if (counted || !has || changes(runs, name)) continue;
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const base::Term& term) { return name == term.name; });
    plot::Table::Row row{{found == known.end() ? spoken(name) : found->title}};
    for (const RunRecord& run : runs) {
      const Curve* curve = find(run, name);
      row.cells.emplace_back(
          curve && !curve->value.empty() ? plot::number_label(curve->value.back()) : "");
    }
    table.rows.push_back(std::move(row));
  }
  table.numbers = true;
  return table;
}

std::vector<plot::Figure> kld_charts(std::span<const RunRecord> runs) {
  std::vector<plot::Figure> out;
  for (const RunRecord& run : runs) {
    if (run.kld_per_dimension.empty()) continue;
    std::vector<plot::Bar> bars;
    for (std::size_t d = 0; d < run.kld_per_dimension.size(); ++d)
      bars.push_back({base::text("z", d), run.kld_per_dimension[d]});
    // NaN cannot be ordered, so it goes last.
    const auto key = [](const plot::Bar& bar) {
      return std::isfinite(bar.value) ? bar.value : -std::numeric_limits<double>::infinity();
    };
    std::stable_sort(bars.begin(), bars.end(), [&](const plot::Bar& left, const plot::Bar& right) {
      return key(left) > key(right);
    });
    const auto used = std::count_if(bars.begin(), bars.end(),
                                    [](const plot::Bar& bar) { return bar.value > 0.1; });
    std::string caption =
        base::text(used, " of ", bars.size(), " dimensions carry more than 0.1 nats.");
    if (bars.size() > kDimensionsShown) {
      caption += base::text(" Only the first ", kDimensionsShown, " are drawn.");
      bars.resize(kDimensionsShown);
    }
    out.push_back(plot::draw(plot::BarChart{
        .title = runs.size() == 1 ? "KL of each latent dimension, sorted"
                                  : "KL of each latent dimension, sorted: " + run.name,
        .caption = caption,
        .x_label = "latent dimension",
        .y_label = "nats",
        .bars = std::move(bars)}));
  }
  return out;
}

}  // namespace vae_dist::report
