#include "evaluate/channel_report.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/evaluation_report.hpp"
#include "evaluate/separation_power.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::size_t kChannelsShown = 12;

std::vector<double> power_ratios(const ChannelFigures::Channel& channel) {
  std::vector<double> out;
  for (std::size_t k = 0; k < channel.power_of_reconstructions.size(); ++k)
    out.push_back(channel.power_of_reconstructions[k] / channel.power_of_data[k]);
  return out;
}

// Returns 1, 2, 4, 8, ... and the last shell.
std::vector<std::size_t> shells_shown(std::size_t shells) {
  std::vector<std::size_t> out;
  for (std::size_t k = 1; k + 1 < shells; k *= 2) out.push_back(k);
  out.push_back(shells - 1);
  return out;
}

std::string indented(const std::string& lines) {
  std::string out, line;
  std::istringstream in(lines);
  while (std::getline(in, line)) out += "    " + line + "\n";
  return out;
}

nlohmann::ordered_json histograms_json(const ComparedHistograms& compared) {
  return {{"separation_power", compared.separation},
          {"separation_power_of_halves", compared.separation_of_halves},
          {"edges", compared.edges},
          {"data", compared.data},
          {"samples", compared.samples},
          {"samples_below", compared.below},
          {"samples_above", compared.above}};
}

std::string compared_text(const ChannelFigures& figures) {
  return figures.compared_values == Values::sample ? "draws of p(x|z)" : "means of p(x|z)";
}

}  // namespace

std::string channel_tables(const ChannelFigures& figures) {
  const std::size_t shown = std::min(figures.channels.size(), kChannelsShown);
  const ChannelFigures::Channel& first = figures.channels.front();
  std::vector<std::vector<std::string>> rows = {{"channel"}};
  const bool has_units =
      std::any_of(figures.channels.begin(), figures.channels.begin() + static_cast<long>(shown),
                  [](const ChannelFigures::Channel& channel) { return !channel.units.empty(); });
  if (first.rmse) rows[0].push_back("RMSE");
  if (first.rmse && has_units) rows[0].push_back("units");
  if (first.vrmse) rows[0].push_back("VRMSE");
  rows[0].insert(rows[0].end(), {"S^2", "of halves"});
  const auto add_separation = [](const ComparedHistograms& compared,
                                 std::vector<std::string>& row) {
    row.push_back(base::digits(compared.separation, 3));
    row.push_back(base::digits(compared.separation_of_halves, 3));
  };
  for (std::size_t c = 0; c < shown; ++c) {
    const ChannelFigures::Channel& channel = figures.channels[c];
    std::vector<std::string> row = {channel.name};
    if (channel.rmse) row.push_back(base::digits(*channel.rmse));
    if (channel.rmse && has_units) row.push_back(channel.units);
    if (channel.vrmse) row.push_back(base::digits(*channel.vrmse));
    add_separation(channel.values, row);
    rows.push_back(std::move(row));
  }
  if (figures.totals) {
    std::vector<std::string> row = {"sum of a sample"};
    if (first.rmse) row.emplace_back();
    if (first.rmse && has_units) row.emplace_back();
    add_separation(*figures.totals, row);
    rows.push_back(std::move(row));
  }
  const std::string rest = shown < figures.channels.size()
                               ? base::text("    the first ", shown, " of ",
                                            figures.channels.size(), "; --json has all\n")
                               : "";
  std::string out = base::text(
      "  ", first.rmse ? "errors of reconstructions in the file's units; " : "",
      "separation power S^2 of the prior's samples (", compared_text(figures),
      ") from the data (of halves: of the data alone)\n", indented(text_columns(rows)), rest);
  if (first.power_of_reconstructions.empty()) return out;

  const std::vector<std::size_t> shells = shells_shown(first.power_of_data.size());
  rows = {{"waves along a side"}};
  for (const std::size_t k : shells) rows[0].push_back(base::text(k));
  for (std::size_t c = 0; c < shown; ++c) {
    const std::vector<double> ratios = power_ratios(figures.channels[c]);
    std::vector<std::string> row = {figures.channels[c].name};
    for (const std::size_t k : shells) row.push_back(base::digits(ratios[k], 3));
    rows.push_back(std::move(row));
  }
  return out + "  power of reconstructions, as a share of the data's\n" +
         indented(text_columns(rows)) + rest;
}

nlohmann::ordered_json channels_json(const ChannelFigures& figures) {
  nlohmann::ordered_json out = {{"compared_samples", compared_text(figures)}};
  for (const ChannelFigures::Channel& channel : figures.channels) {
    nlohmann::ordered_json each = {{"name", channel.name}};
    if (!channel.units.empty()) each["units"] = channel.units;
    if (channel.rmse) each["rmse"] = *channel.rmse;
    if (channel.vrmse) each["vrmse"] = *channel.vrmse;
    if (!channel.power_of_data.empty()) each["power_of_data"] = channel.power_of_data;
    if (!channel.power_of_reconstructions.empty()) {
      each["power_of_reconstructions"] = channel.power_of_reconstructions;
      each["power_of_errors"] = channel.power_of_errors;
      each["power_ratio"] = power_ratios(channel);
    }
    each["values"] = histograms_json(channel.values);
    out["channels"].push_back(std::move(each));
  }
  if (figures.totals) out["totals"] = histograms_json(*figures.totals);
  return out;
}

}  // namespace vae_dist::evaluate
