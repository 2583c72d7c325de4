// The figures of channels as tables for people and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "evaluate/channel_figures.hpp"

namespace vae_dist::evaluate {

/// Returns a table of errors and distributions, a line for each channel, and one of the power that
/// reconstructions have of the data's, at wave numbers 1, 2, 4, 8, ... (that at 0 is the mean's).
/// Shows the first 12 channels; columns of figures that do not exist are left out.
std::string channel_tables(const ChannelFigures& figures);

/// Returns all figures: `channels`, a list, and `totals`. What does not exist is left out.
nlohmann::ordered_json channels_json(const ChannelFigures& figures);

}  // namespace vae_dist::evaluate
