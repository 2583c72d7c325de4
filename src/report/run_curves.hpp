// The charts of a report: which curve goes into which chart, under which name and in which unit.
// Internal to src/report.
#pragma once

#include <span>
#include <vector>

#include "plot/chart.hpp"
#include "report/run_report.hpp"

namespace vae_dist::report {

/// Returns charts of loss terms, weights, learning rate and gradient norm, then of every further
/// series of the runs. Curves that are constant in every run are left to constant_curves().
std::vector<plot::Figure> learning_charts(std::span<const RunRecord> runs);

/// Returns charts of the throughput and of where the time of a step goes.
std::vector<plot::Figure> speed_charts(std::span<const RunRecord> runs);

/// Returns a table of the values that stay the same through each run: beta, M_N, the learning rate.
/// Empty if there are none.
plot::Table constant_curves(std::span<const RunRecord> runs);

/// Returns charts of the KL of each latent dimension, sorted; one per run that recorded it.
std::vector<plot::Figure> kld_charts(std::span<const RunRecord> runs);

/// Returns the median of the finite values; NaN if there are none.
double median(std::vector<double> values);

/// Returns the values named `name` of all evaluations on `on`.
Curve evaluation_curve(const RunRecord& run, const std::string& on, const std::string& name);

}  // namespace vae_dist::report
