#include "step/trained_part.hpp"

#include "step/weights.hpp"

namespace vae_dist::step {

TrainedPart::TrainedPart(const PartRequest& wanted)
    : name_(wanted.name),
      keeps_parameters_(wanted.keeps_parameters),
      own_rate_(wanted.own_rate),
      leaves_(wanted.parameters),
      parameters_(leaves_, wanted.channels_last, wanted.gradient_memory),
      optimizer_(optimizer::make_optimizer(parameters_, wanted.optimizer)) {
  if (!wanted.rounded.empty()) rounded_.emplace(parameters_, leaves_, wanted.rounded);
  if (wanted.ema_decay) average_.emplace(parameters_, *wanted.ema_decay);
}

void TrainedPart::reduce_through(std::unique_ptr<parallel::BucketExchange> exchange,
                                 const at::Tensor& statistics,
                                 const parallel::ReducerOptions& options) {
  reducer_.emplace(parallel::ReducerParts{parameters_, rounded_ ? rounded_->leaves() : leaves_,
                                          statistics, std::move(exchange)},
                   options);
}

parallel::NamedTensors TrainedPart::state() const {
  const std::string prefix = name_.empty() ? "" : name_ + "/";
  parallel::NamedTensors out;
  for (std::size_t i = 0; i < parameters_.slots().size(); ++i) {
    const std::string& name = parameters_.slots()[i].name;
    for (const auto& [kind, arena] : optimizer_->moments())
      out.emplace_back(prefix + kind + "." + name, arena.view(i));
    if (average_) out.emplace_back(prefix + kAveragePrefix + name, average_->arena().view(i));
    if (keeps_parameters_) out.emplace_back(prefix + name, leaves_[i].second.detach());
  }
  out.emplace_back(prefix + "step", optimizer_->step_count());
  return out;
}

std::vector<std::pair<std::string, std::string>> TrainedPart::averages_by_parameter() const {
  std::vector<std::pair<std::string, std::string>> out;
  if (!average_) return out;
  const std::string prefix = name_.empty() ? "" : name_ + "/";
  for (const auto& slot : parameters_.slots())
    out.emplace_back(slot.name, prefix + kAveragePrefix + slot.name);
  return out;
}

}  // namespace vae_dist::step
