#include "train/step_metrics.hpp"

namespace vae_dist::train {

metrics::StepMetrics metrics_of(const step::DoneStep& done, const LoopParts& parts) {
  metrics::StepMetrics m;
  m.step = done.step;
  m.epoch = done.epoch;
  m.loss = done.values.loss;
  m.reconstruction_loss = done.values.reconstruction;
  m.kld_nats = done.values.kld_nats;
  m.kld_weight = parts.objective.kld_weight;
  m.beta = done.beta;
  m.learning_rate = done.learning_rate;
  m.gradient_norm = done.values.gradient_norm;
  m.skipped = done.values.skipped;
  m.extra_terms = done.values.extra_terms;
  m.samples = parts.plan.samples_per_rank();
  m.step_seconds = done.step_seconds;
  m.data_wait_seconds = done.data_wait_seconds;
  m.allreduce_wait_seconds = done.allreduce_wait_seconds;
  m.read_bytes = static_cast<std::uint64_t>(done.read_bytes);
  m.allreduce_bytes = parts.learner.bytes_per_step();
  return m;
}

}  // namespace vae_dist::train
