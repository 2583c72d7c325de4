#include "report/run_report.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/energy_readings.hpp"
#include "base/error.hpp"
#include "evaluate/measure.hpp"
#include "plot/axis.hpp"
#include "report/run_curves.hpp"

namespace vae_dist::report {
namespace {

constexpr double kCollapsedNats = 0.5;
constexpr std::size_t kEvaluationsShown = 12;

struct Best {
  double value = 0, step = 0;
};

// Returns by what the run compares its evaluations: its checkpoint.best, where a loss counts at the
// weights that the schedules end with if they move.
evaluate::Measure measure_of(const RunRecord& run) {
  const auto found = std::find_if(run.config.begin(), run.config.end(), [](const ConfigRow& row) {
    return row.key == "checkpoint.best";
  });
  return evaluate::measure_named(found == run.config.end() ? "loss" : found->value,
                                 !evaluation_curve(run, "validation", "final_loss").value.empty());
}

std::optional<Best> best_validation(const RunRecord& run) {
  const evaluate::Measure measure = measure_of(run);
  std::optional<Best> best;
  const Curve values = evaluation_curve(run, "validation", measure.name);
  for (std::size_t i = 0; i < values.value.size(); ++i)
    if (measure.is_better(values.value[i], best ? std::optional(best->value) : std::nullopt))
      best = Best{values.value[i], values.step[i]};
  return best;
}

// "Best validation loss"
std::string title_of_best(const RunRecord& run) {
  return "Best validation " + evaluate::spoken(measure_of(run));
}

// What all parts of a resumed run have used. The log of each part counts from 0.
std::optional<double> joules_of(const RunRecord& run) {
  const auto found = run.curves.find("joules");
  if (found == run.curves.end()) return std::nullopt;
  double sum = 0, before = 0;
  for (const double joules : found->second.value) {
    sum += joules >= before ? joules - before : joules;
    before = joules;
  }
  return sum;
}

std::optional<double> last_of(const Curve& curve) {
  return curve.value.empty() ? std::nullopt : std::optional(curve.value.back());
}

std::optional<double> last_logged(const RunRecord& run, const std::string& name) {
  const auto found = run.curves.find(name);
  return found == run.curves.end() ? std::nullopt : last_of(found->second);
}

// The newest value: from evaluations, else from the last logged step, whose single batch is
// noisier.
struct Newest {
  double value;
  std::string where;
};

std::optional<Newest> newest(const RunRecord& run, const std::string& name) {
  for (const std::string on : {"validation", "training"})
    if (const auto value = last_of(evaluation_curve(run, on, name)))
      return Newest{*value, "on " + on + " data"};
  if (const auto value = last_logged(run, name)) return Newest{*value, "last logged step"};
  return std::nullopt;
}

double last_step(const RunRecord& run) {
  double step = 0;
  for (const auto& [name, curve] : run.curves)
    if (!curve.step.empty()) step = std::max(step, curve.step.back());
  for (const ReportEvaluation& evaluation : run.evaluations) step = std::max(step, evaluation.step);
  return step;
}

std::string percent(double share) {
  return plot::number_label(std::round(1000 * share) / 10) + " %";
}

std::vector<plot::Fact> facts_of(const RunRecord& run) {
  std::vector<plot::Fact> out{{"Steps", plot::grouped(std::llround(last_step(run))), ""}};
  if (const auto epoch = last_logged(run, "epoch"))
    out.back().note = "epoch " + plot::grouped(std::llround(*epoch) + 1);
  if (const auto loss = newest(run, "loss"))
    out.push_back({"Loss", plot::number_label(loss->value), loss->where});
  if (const auto best = best_validation(run))
    out.push_back({title_of_best(run), plot::number_label(best->value),
                   "at step " + plot::grouped(std::llround(best->step))});
  if (const auto mse = newest(run, "mse")) {
    const auto mean_image = newest(run, "mean_image_mse");
    out.push_back({"MSE", plot::number_label(mse->value),
                   mean_image && mean_image->value > 0
                       ? percent(mse->value / mean_image->value) + " of the mean image's"
                       : mse->where});
  }
  if (const auto kld = newest(run, "kld"))
    out.push_back({"KL divergence", plot::number_label(kld->value) + " nats", kld->where});
  if (const auto weight = last_logged(run, "kld_weight"))
    out.push_back({"M_N", plot::number_label(*weight), "weight of the KL divergence"});
  if (const auto found = run.curves.find("samples_per_second"); found != run.curves.end())
    out.push_back({"Throughput", plot::number_label(median(found->second.value)) + "/s",
                   "samples, median of logged steps"});
  if (const auto joules = joules_of(run)) {
    const auto each = last_logged(run, "joules_per_1000_samples");
    out.push_back({"Energy", base::energy_text(*joules),
                   each ? base::energy_text(*each) + " per 1,000 samples" : ""});
  }
  return out;
}

void warn(plot::HtmlPage& page, const RunRecord& run, bool of_several) {
  const std::string who = of_several ? run.name + ": " : "";
  if (const auto kld = newest(run, "kld"); kld && kld->value < kCollapsedNats)
    page.warning(
        base::text(who, "the KL divergence is ", plot::number_label(kld->value),
                   " nats: the latent code says almost nothing about the picture (the posterior "
                   "collapsed). A smaller M_N or β, or β growing from 0, may help."));
  if (const auto found = run.curves.find("loss"); found != run.curves.end()) {
    const auto bad = std::count_if(found->second.value.begin(), found->second.value.end(),
                                   [](double value) { return !std::isfinite(value); });
    if (bad > 0)
      page.warning(base::text(who, "the loss was not finite in ", bad,
                              bad == 1 ? " logged step." : " logged steps."));
  }
  if (const auto found = run.curves.find("skipped"); found != run.curves.end()) {
    const auto skipped = std::count_if(found->second.value.begin(), found->second.value.end(),
                                       [](double value) { return value > 0; });
    if (skipped > 0)
      page.warning(base::text(who, skipped,
                              skipped == 1 ? " logged step was" : " logged steps were",
                              " skipped: the gradient was not finite or above the limit."));
  }
}

plot::Table comparison(std::span<const RunRecord> runs) {
  const std::string title = title_of_best(runs[0]);
  const bool of_one_measure = std::all_of(
      runs.begin(), runs.end(), [&](const RunRecord& run) { return title_of_best(run) == title; });
  plot::Table table{.header = {"Run", "Steps", of_one_measure ? title : "Best validation", "Loss",
                               "Reconstruction", "KL (nats)", "MSE", "Samples/s"},
                    .rows = {},
                    .caption = {},
                    .numbers = true};
  const auto cell = [](const std::optional<Newest>& found) {
    return plot::Html(found ? plot::number_label(found->value) : "\u2013");
  };
  for (const RunRecord& run : runs) {
    const auto best = best_validation(run);
    const auto speed = run.curves.find("samples_per_second");
    table.rows.push_back(
        {{run.name, plot::grouped(std::llround(last_step(run))),
          !best ? "\u2013"
          : of_one_measure
              ? plot::number_label(best->value)
              : plot::number_label(best->value) + " (" + evaluate::spoken(measure_of(run)) + ")",
          cell(newest(run, "loss")), cell(newest(run, "reconstruction_loss")),
          cell(newest(run, "kld")), cell(newest(run, "mse")),
          speed == run.curves.end() ? "\u2013" : plot::number_label(median(speed->second.value))}});
  }
  return table;
}

void add_pictures(plot::HtmlPage& page, std::span<const RunRecord> runs) {
  if (runs.size() == 1) {
    std::vector<plot::PictureSlider> sliders;
    for (const ReportPictures& each : runs[0].pictures)
      sliders.push_back({each.kind, each.pictures,
                         each.left_out == 0
                             ? ""
                             : base::text(each.left_out, " more in ", runs[0].origin,
                                          "/pictures: left out to keep this page light.")});
    return page.sliders(sliders);
  }
  std::set<std::string> kinds;
  for (const RunRecord& run : runs)
    for (const ReportPictures& each : run.pictures) kinds.insert(each.kind);
  for (const std::string& kind : kinds) {
    page.subsection(kind);
    std::vector<plot::PagePicture> newest_of_runs;
    for (const RunRecord& run : runs)
      for (const ReportPictures& each : run.pictures)
        if (each.kind == kind && !each.pictures.empty())
          newest_of_runs.push_back(
              {run.name + ", " + each.pictures.back().label, each.pictures.back().png});
    page.pictures(newest_of_runs);
  }
}

// Returns the title of a table column. Names without a short form only lose their underscores.
std::string column_title(const std::string& name) {
  static const std::map<std::string, std::string> kShort = {
      {"reconstruction_loss", "reconstruction"},
      {"kld", "KL (nats)"},
      {"mse", "MSE"},
      {"mean_image_mse", "MSE of the mean image"},
      {"final_loss", "loss at the final weights"},
      {"elbo_nats", "ELBO (nats)"},
      {"bits_per_dim", "bits/dim"}};
  if (const auto found = kShort.find(name); found != kShort.end()) return found->second;
  std::string spoken = name;
  std::replace(spoken.begin(), spoken.end(), '_', ' ');
  return spoken;
}

std::optional<double> value_of(const ReportEvaluation& evaluation, const std::string& name) {
  const auto found = std::find_if(evaluation.values.begin(), evaluation.values.end(),
                                  [&](const auto& each) { return each.first == name; });
  return found == evaluation.values.end() ? std::nullopt : std::optional(found->second);
}

bool of_one_kind(const std::vector<ReportEvaluation>& evaluations) {
  return std::all_of(evaluations.begin(), evaluations.end(), [&](const ReportEvaluation& each) {
    return each.on == evaluations.front().on;
  });
}

// Returns the names of the evaluations' values: those equal in all evaluations if `the_same`,
// otherwise the others.
std::vector<std::string> names_of(const std::vector<ReportEvaluation>& evaluations, bool the_same) {
  std::vector<std::string> names;
  for (const ReportEvaluation& evaluation : evaluations)
    for (const auto& [name, value] : evaluation.values)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  std::erase_if(names, [&](const std::string& name) {
    const auto value = value_of(evaluations.front(), name);
    const bool same =
        evaluations.size() > 1 && value &&
        std::all_of(evaluations.begin(), evaluations.end(),
                    [&](const ReportEvaluation& each) { return value_of(each, name) == value; });
    return same != the_same;
  });
  return names;
}

// States the values that are equal in all evaluations, which would only be columns of equal cells.
std::string evaluation_note(const RunRecord& run) {
  std::string same =
      of_one_kind(run.evaluations) ? "on " + run.evaluations.front().on + " data" : "";
  for (const std::string& name : names_of(run.evaluations, true))
    same += (same.empty() ? "" : ", ") + column_title(name) + " " +
            plot::number_label(*value_of(run.evaluations.front(), name));
  return (same.empty() ? "" : "All " + same + ". ") +
         (best_validation(run)
              ? "The best validation " + evaluate::spoken(measure_of(run)) + " is marked."
              : "");
}

plot::Table evaluation_table(const RunRecord& run, std::size_t first) {
  const std::vector<ReportEvaluation>& all = run.evaluations;
  const std::vector<std::string> names = names_of(all, false);
  const bool one_kind = of_one_kind(all);
  const auto best = best_validation(run);
  plot::Table table;
  table.numbers = true;
  if (!one_kind) table.header.emplace_back("on");
  table.header.insert(table.header.end(), {"step", "epoch"});
  for (const std::string& name : names) table.header.emplace_back(column_title(name));
  for (std::size_t i = first; i < all.size(); ++i) {
    const ReportEvaluation& evaluation = all[i];
    plot::Table::Row row;
    if (!one_kind) row.cells.emplace_back(evaluation.on);
    row.cells.insert(row.cells.end(), {plot::grouped(std::llround(evaluation.step)),
                                       plot::grouped(std::llround(evaluation.epoch))});
    for (const std::string& name : names) {
      const auto value = value_of(evaluation, name);
      row.cells.emplace_back(value ? plot::number_label(*value) : "");
    }
    row.marked = best && evaluation.on == "validation" && evaluation.step == best->step;
    table.rows.push_back(std::move(row));
  }
  return table;
}

void add_evaluations(plot::HtmlPage& page, const RunRecord& run) {
  if (run.evaluations.empty()) return;
  const std::size_t count = run.evaluations.size(),
                    first = count > kEvaluationsShown ? count - kEvaluationsShown : 0;
  page.paragraph(evaluation_note(run));
  page.table(evaluation_table(run, first));
  if (first > 0)
    page.folded(base::text("All ", count, " evaluations"),
                plot::html_table(evaluation_table(run, 0)));
}

bool differs(const ConfigRow& row) { return row.counts && row.value != row.default_value; }

void add_config(plot::HtmlPage& page, const RunRecord& run) {
  if (run.config.empty())
    return page.paragraph(run.config_problem.empty() ? "There is no config.yaml."
                                                     : run.config_problem);
  plot::Table changed{.header = {"Key", "Value", "Default"}, .rows = {}, .caption = {}},
      all = changed;
  for (const ConfigRow& row : run.config) {
    const plot::Table::Row cells{
        {plot::html_code(row.key) + plot::html_element("div", {{"class", "note"}}, row.meaning),
         row.counts ? plot::html_code(row.value) : plot::Html("no effect"),
         plot::html_code(row.default_value)},
        differs(row)};
    all.rows.push_back(cells);
    if (differs(row)) changed.rows.push_back({cells.cells, false});
  }
  page.paragraph(
      base::text(changed.rows.size(), " of ", all.rows.size(), " keys differ from their default:"));
  page.table(changed);
  page.folded("All keys (those that differ are marked)", plot::html_table(all));
}

void add_configs(plot::HtmlPage& page, std::span<const RunRecord> runs) {
  plot::Table table;
  table.header.emplace_back("Key");
  for (const RunRecord& run : runs) {
    table.header.emplace_back(run.name);
    if (run.config.empty())
      page.paragraph(
          run.name + ": " +
          (run.config_problem.empty() ? "there is no config.yaml." : run.config_problem));
  }
  table.header.emplace_back("Default");
  std::vector<const ConfigRow*> keys;
  for (const RunRecord& run : runs)
    for (const ConfigRow& row : run.config)
      if (std::none_of(keys.begin(), keys.end(),
                       [&](const ConfigRow* key) { return key->key == row.key; }))
        keys.push_back(&row);
  for (const ConfigRow* key : keys) {
    plot::Table::Row row{{plot::html_code(key->key)}};
    std::set<std::string> values;
    bool any_differs = false;
    for (const RunRecord& run : runs) {
      const auto found = std::find_if(run.config.begin(), run.config.end(),
                                      [&](const ConfigRow& each) { return each.key == key->key; });
      const std::string value = found == run.config.end() ? "\u2013"
                                : found->counts           ? found->value
                                                          : "no effect";
      values.insert(value);
      any_differs = any_differs || (found != run.config.end() && differs(*found));
      row.cells.push_back(plot::html_code(value));
    }
    row.cells.push_back(plot::html_code(key->default_value));
    row.marked = values.size() > 1;
    if (row.marked || any_differs) table.rows.push_back(std::move(row));
  }
  page.paragraph(
      "Keys that differ from their default in any of the runs. Rows in which the runs differ from "
      "each other are marked.");
  page.table(table);
}

void add_environment(plot::HtmlPage& page, std::span<const RunRecord> runs) {
  if (std::all_of(runs.begin(), runs.end(),
                  [](const RunRecord& run) { return run.environment.empty(); }))
    return;
  page.section("Environment");
  for (const RunRecord& run : runs) {
    if (run.environment.empty()) continue;
    if (runs.size() > 1) page.subsection(run.name);
    plot::Table table;
    for (const auto& [name, value] : run.environment) table.rows.push_back({{name, value}});
    page.table(table);
  }
}

std::string title_of(std::span<const RunRecord> runs) {
  std::string out = runs[0].name;
  for (const RunRecord& run : runs.subspan(1)) out += ", " + run.name;
  return out;
}

}  // namespace

plot::HtmlPage run_report(std::span<const RunRecord> runs, const std::string& written) {
  if (runs.empty()) throw base::BadInput("a report needs at least one run");
  const bool several = runs.size() > 1;
  plot::HtmlPage page(title_of(runs), base::text(several ? base::text(runs.size(), " runs")
                                                         : "a run in " + runs[0].origin,
                                                 "; written ", written));
  if (several)
    page.table(comparison(runs));
  else
    page.facts(facts_of(runs[0]));
  for (const RunRecord& run : runs) warn(page, run, several);

  if (std::any_of(runs.begin(), runs.end(),
                  [](const RunRecord& run) { return !run.pictures.empty(); })) {
    page.section("Pictures");
    add_pictures(page, runs);
  }
  page.section("Learning");
  if (const auto charts = learning_charts(runs); !charts.empty())
    page.figures(charts);
  else
    page.paragraph("No step has been logged yet.");
  if (const plot::Table constants = constant_curves(runs); !constants.rows.empty())
    page.table(constants);
  if (const auto charts = kld_charts(runs); !charts.empty()) {
    page.section("Latent dimensions");
    page.figures(charts);
  }
  if (const auto charts = speed_charts(runs); !charts.empty()) {
    page.section("Speed");
    page.figures(charts);
  }
  if (!several && !runs[0].evaluations.empty()) {
    page.section("Evaluations");
    add_evaluations(page, runs[0]);
  }
  page.section("Configuration");
  if (several)
    add_configs(page, runs);
  else
    add_config(page, runs[0]);
  add_environment(page, runs);
  return page;
}

}  // namespace vae_dist::report
