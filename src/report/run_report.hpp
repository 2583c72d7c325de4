// The content of a run's report, as plain values that the caller collects.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/term.hpp"
#include "plot/html_page.hpp"

namespace vae_dist::report {

/// Values over training steps; NaN for those that were not finite.
struct Curve {
  std::vector<double> step, value;
};

/// Curves by their names in metrics.jsonl: "loss", "kld", "step_seconds".
using Curves = std::map<std::string, Curve>;

/// One evaluation: its numbers by their names in metrics.jsonl, without the prefix evaluation_.
struct ReportEvaluation {
  double step = 0, epoch = 0;
  std::string on;  ///< "validation", "training"
  std::vector<std::pair<std::string, double>> values;
};

struct ConfigRow {
  std::string key, value, default_value, meaning;
  bool counts = true;  ///< has an effect, given the other keys' values
};

/// Where the time of a rank's steps goes, in seconds per step.
struct RankTimes {
  std::string name;  ///< "rank 0 (node1)"
  double step = 0, data_wait = 0, allreduce_wait = 0;
};

/// Pictures of one kind ("Samples"), oldest first. `left_out`: number of further pictures in the
/// run directory.
struct ReportPictures {
  std::string kind;
  std::vector<plot::PagePicture> pictures;
  std::size_t left_out = 0;
};

struct RunRecord {
  std::string name;
  std::string origin;  ///< the run directory, as displayed
  Curves curves;       ///< of logged steps; each ascends in step
  std::vector<ReportEvaluation> evaluations;
  std::vector<double>
      kld_per_dimension;          ///< nats, of the last evaluation that has them; empty: unknown
  std::vector<base::Term> terms;  ///< the run's own descriptions of its curves
                                  ///< (metrics/step_terms.hpp); empty: an older run
  std::vector<RankTimes> ranks;
  std::vector<ConfigRow> config;
  std::string config_problem;  ///< why `config` is empty, if it is
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<ReportPictures> pictures;
};

/// Returns the page of one run, or of several with overlaid curves. `written`: the time of writing,
/// for the subtitle.
plot::HtmlPage run_report(std::span<const RunRecord> runs, const std::string& written);

}  // namespace vae_dist::report
