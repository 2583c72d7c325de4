#include "step/capture_rule.hpp"

#include "base/error.hpp"

namespace vae_dist::step {
namespace {

bool rounds_learning_rate(const config::Config& config) {
  return config.train.precision == config::Precision::fp64 &&
         !config.train.optimizer.rule.item().reads_exact_rate;
}

std::string sequence_text(const std::vector<base::ProgressWords::Collective>& sequence) {
  std::string out;
  for (const auto& [what, bytes] : sequence)
    out += base::text(out.empty() ? "" : ", ", what, " of ", bytes, " bytes");
  return out.empty() ? "nothing" : out;
}

}  // namespace

std::string why_not_captured(const config::Config& config, const device::DeviceChoice& device) {
  if (!device.device.is_cuda()) return "this run is on the CPU";
  if (config.distributed.batch_norm == config::BatchNorm::sync)
    return "distributed.batch_norm is sync, which sums over ranks in the middle of the forward "
           "pass";
  if (rounds_learning_rate(config))
    return base::text("train.precision is fp64, and ", config.train.optimizer.rule.name,
                      " would read a learning rate on the GPU in single precision");
  return "";
}

bool wants_capture(const config::Config& config, const device::DeviceChoice& device) {
  return config.train.cuda_graph.value_or(true) && why_not_captured(config, device).empty();
}

void check_cuda_graph(const config::Config& config, const device::DeviceChoice& device) {
  check_cuda_graph(config, why_not_captured(config, device));
}

void check_cuda_graph(const config::Config& config, const std::string& reason) {
  if (config.train.cuda_graph.value_or(false) && !reason.empty())
    throw base::BadInput(base::text(
        "train.cuda_graph is true, but the step cannot be captured in a CUDA graph: ", reason,
        ". Set train.cuda_graph=auto to capture the step only if possible."));
}

bool numbers_go_to_device(const config::Config& config, const device::DeviceChoice& device) {
  return device.device.is_cuda() && !rounds_learning_rate(config);
}

void CaptureRule::saw(const std::vector<base::ProgressWords::Collective>& sequence) {
  if (++steps_ == 1) first_ = sequence;
  if (objection_.empty() && sequence != first_)
    objection_ = base::text("its step ", steps_, " exchanged ", sequence_text(sequence),
                            ", but its first step exchanged ", sequence_text(first_));
}

std::string joined_reasons(const std::vector<std::string>& of_ranks) {
  std::string out;
  for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
    const std::string& reason = of_ranks[rank];
    bool said = reason.empty();
    for (std::size_t earlier = 0; earlier < rank && !said; ++earlier)
      said = of_ranks[earlier] == reason;
    if (said) continue;
    std::string ranks;
    for (std::size_t r = rank; r < of_ranks.size(); ++r)
      if (of_ranks[r] == reason) ranks += base::text(ranks.empty() ? "" : ", ", r);
    out +=
        base::text(out.empty() ? "" : "; ",
                   ranks.find(',') == std::string::npos ? "rank " : "ranks ", ranks, ": ", reason);
  }
  return out;
}

}  // namespace vae_dist::step
