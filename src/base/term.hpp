// The name and meaning of a number that training reports: the one description that logs,
// Prometheus, the progress line and the report use.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::base {

struct Term {
  std::string name;    ///< in metrics.jsonl
  std::string title;   ///< title of its chart
  std::string unit;    ///< unit on the axis of its chart: "nats per sample"; "": none
  std::string series;  ///< in Prometheus: "vae_dist_loss"
  std::string help;    ///< help text of the series: one sentence
  std::vector<std::pair<std::string, std::string>> labels =
      {};               ///< labels of the series, if several terms share it
  bool falls = false;   ///< by orders of magnitude, so a logarithmic axis may suit it better
  bool counts = false;  ///< values are whole numbers from 0
};

}  // namespace vae_dist::base
