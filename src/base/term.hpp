// What a number that training tells is called, and what it means: one description, which logs,
// Prometheus, progress line and report read.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::base {

struct Term {
  std::string name;    ///< in metrics.jsonl
  std::string title;   ///< of its chart
  std::string unit;    ///< of its chart's axis: "nats a sample"; "": none
  std::string series;  ///< in Prometheus: "vae_dist_loss"
  std::string help;    ///< of the series: a sentence
  std::vector<std::pair<std::string, std::string>> labels =
      {};               ///< of the series, where several terms share it
  bool falls = false;   ///< by orders of magnitude: a logarithmic axis may show it better
  bool counts = false;  ///< whole numbers from 0 on
};

}  // namespace vae_dist::base
