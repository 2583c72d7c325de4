// The progress of a run apart from its tensors, and its JSON form in state.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

/// SHA-256 of files, 64 hexadecimal digits, by the keys that name them ("model.encoder").
using FileSums = std::map<std::string, std::string>;

/// The progress of a run apart from its tensors. All counts start at the first start of the run.
struct TrainingState {
  std::int64_t step = 0;            ///< completed steps, including skipped ones
  std::int64_t epoch = 0;           ///< epoch of the next step
  std::int64_t position = 0;        ///< samples of that epoch's permutation that were used
  std::int64_t optimizer_step = 0;  ///< steps that were not skipped
  std::int64_t skipped_steps = 0;
  std::int64_t seed = 0;
  std::int64_t replicas = 0;    ///< R
  std::int64_t world_size = 0;  ///< number of ranks that wrote it; may change
  std::string dataset_fingerprint = {};
  std::optional<double> best_validation = {};  ///< best value of `checkpoint.best`; a value that is
                                               ///< not finite is read back as none
  std::int64_t best_step = -1;                 ///< step of the checkpoint with that value; -1: none
  std::string best_measure = {};  ///< what that value measures (evaluate/measure.hpp); empty
                                  ///< in older checkpoints: the loss, weighted by the
                                  ///< schedules as of its step
  std::optional<double> best_stop_metric = {};  ///< best value of `train.early_stop.metric`
  std::int64_t evaluations_since_best = 0;      ///< evaluations since then that were not better
  std::string stop_measure = {};                ///< as best_measure; empty in older checkpoints
  std::string program_version = {};
  std::string arithmetic = {};  ///< what the bits depend on: "CPU AVX2, 1 thread"; if it changes,
                                ///< bits may change
  std::int64_t awaits_evaluation =
      0;  ///< 1: saved before the evaluation that was due after its step; the resumed run makes up
          ///< for it. 0 if missing in older checkpoints
  std::string normalisation =
      {};  ///< data::Normalisation::text() of the training rows, if data.normalize
           ///< is not scale; else empty, also if missing in older checkpoints
  std::string conditions = {};  ///< conditions::Conditions::text() of data.train.condition; empty:
                                ///< none, also if missing in older checkpoints
  std::string begun_from = {};  ///< checkpoint that the run started from: its weights at step 0, or
                                ///< all of it; empty: none, also if missing in older checkpoints
  FileSums kept_files = {};     ///< of which the run keeps copies; empty: none, also if missing in
                                ///< older checkpoints
};

/// Formats the state as JSON. It reads back to the same value, floats to the same bits.
std::string to_json(const TrainingState& state);

/// Parses the state. Throws BadInput naming `name` (a path) and the key that is missing or has the
/// wrong type.
TrainingState training_state_from_json(std::string_view bytes, const std::string& name);

}  // namespace vae_dist::checkpoint
