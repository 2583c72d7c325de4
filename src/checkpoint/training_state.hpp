// Where a run is, apart from its tensors, and its form in state.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

/// Where a run is, apart from its tensors. All counts are since the run's first start.
struct TrainingState {
  std::int64_t step = 0;            ///< steps done (skipped ones count)
  std::int64_t epoch = 0;           ///< epoch of the next step
  std::int64_t position = 0;        ///< samples of that epoch's permutation already used
  std::int64_t optimizer_step = 0;  ///< steps that were not skipped
  std::int64_t skipped_steps = 0;
  std::int64_t seed = 0;
  std::int64_t replicas = 0;    ///< R
  std::int64_t world_size = 0;  ///< np that wrote it; may change
  std::string dataset_fingerprint;
  std::optional<double>
      best_validation_loss;     ///< one that is not finite is no best: it is read back as none
  std::int64_t best_step = -1;  ///< the checkpoint with that loss; -1: none
  std::optional<double> best_stop_metric;   ///< of `train.early_stop.metric`
  std::int64_t evaluations_since_best = 0;  ///< that were no better than it
  std::string program_version;
  std::string
      arithmetic;  ///< what its bits depend on: "CPU AVX2, 1 thread"; may change, and bits with it
  std::int64_t awaits_evaluation =
      0;  ///< 1: saved before the evaluation that is due after its step; whoever goes on makes up
          ///< for it. Missing in older checkpoints: 0
  std::string begun_from;  ///< the checkpoint that the run began with: its weights at step 0, or
                           ///< all of it; empty: none. Missing in older checkpoints: none
};

/// Reads back to the same value, floats to the same bits.
std::string to_json(const TrainingState& state);

/// Throws BadInput naming `name` (a path) and the key that is missing or of the wrong type.
TrainingState training_state_from_json(std::string_view bytes, const std::string& name);

}  // namespace vae_dist::checkpoint
