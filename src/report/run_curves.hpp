// The charts of a report: which curve goes where, under which name and in which unit. Internal to
// src/picture.
#pragma once

#include <span>
#include <vector>

#include "plot/chart.hpp"
#include "report/run_report.hpp"

namespace vae_dist::report {

/// Loss terms, weights, learning rate, gradient norm; then every further series that the runs have.
/// Curves that never change in any run are left to constant_curves().
std::vector<plot::Figure> learning_charts(std::span<const RunRecord> runs);

/// Throughput, and where the time of a step goes.
std::vector<plot::Figure> speed_charts(std::span<const RunRecord> runs);

/// A table of what stays the same through each run: beta, M_N, the learning rate. Empty if there is
/// none.
plot::Table constant_curves(std::span<const RunRecord> runs);

/// KL of each latent dimension, sorted; one chart a run that knows it.
std::vector<plot::Figure> kld_charts(std::span<const RunRecord> runs);

/// Of the values that are finite; NaN where there are none.
double median(std::vector<double> values);

/// The values named `name` of all evaluations on `on`.
Curve evaluation_curve(const RunRecord& run, const std::string& on, const std::string& name);

}  // namespace vae_dist::report
