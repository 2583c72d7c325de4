// One checkpoint: a directory that holds everything the next step needs, complete or not there at
// all.
//
//   step_00001000/manifest.json           format version, step, each file's size and XXH3
//                 weights.safetensors     parameters and buffers by name
//                 optimizer.safetensors   moments by parameter name ("exp_avg.<name>")
//                 state.json              TrainingState
//                 config.yaml             the resolved configuration
//                 state_evaluated.json    after an evaluation of these weights: the TrainingState
//                 that takes the place of state.json
//
// Beside them, after a crash: .tmp_step_00001000_<pid>, a write or a removal that was interrupted
// (the next prune removes it), and step_00001000.broken_1, a damaged checkpoint whose step was
// saved again (left for a person to look at).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "checkpoint/training_state.hpp"

namespace vae_dist::checkpoint {

struct Checkpoint {
  TensorFile weights;
  TensorFile optimizer;
  TrainingState state;
  std::string config_yaml;
};

/// `<root>/step_00001000` for step 1000.
std::filesystem::path checkpoint_directory(const std::filesystem::path& root, std::int64_t step);

/// Writes `checkpoint` to `<root>/step_<8 digits>`: to a temporary directory beside it, every file
/// fsynced, then the manifest, then renamed (never onto an existing one), parent fsynced. `root` is
/// made when it is not there. A checkpoint of that step that is there and verifies is kept as it
/// is; one that does not verify is moved aside to `step_N.broken_<k>`, with a warning. Returns the
/// final directory. Throws Failure (disk full, no permission) after removing the temporary
/// directory. Only one process writes below a root; within it, writing and pruning exclude each
/// other.
std::filesystem::path write_checkpoint(const std::filesystem::path& root,
                                       const Checkpoint& checkpoint);

/// Gives a checkpoint that is there the state in which an evaluation of its weights left the run
/// (its best loss and the like): a file beside the others, then the manifest that names it, by
/// rename. At any moment the checkpoint has either state. Throws BadInput where `directory` holds
/// no complete checkpoint of that step, Failure where it can't be written.
void write_evaluated_state(const std::filesystem::path& directory, const TrainingState& state);

/// Reads and verifies sizes and hashes against the manifest. Throws BadInput with what is wrong:
/// missing file, size, hash, newer format.
Checkpoint read_checkpoint(const std::filesystem::path& directory);

/// Checkpoint directories under `root`, newest step first, complete-looking ones only (a manifest
/// is there). Temporary ones are ignored.
std::vector<std::filesystem::path> find_checkpoints(const std::filesystem::path& root);

/// The newest that verifies; one warning for each newer one that does not. Empty when there is none
/// at all. Throws BadInput when there are some but none verifies.
std::optional<Checkpoint> read_newest_checkpoint(const std::filesystem::path& root);

/// Removes all but the newest `keep` (at least one) and those in `protect`; and leftovers of
/// interrupted writes, unless the process that their name gives is alive. Throws Failure.
void prune_checkpoints(const std::filesystem::path& root, std::int64_t keep,
                       const std::vector<std::filesystem::path>& protect = {});

}  // namespace vae_dist::checkpoint
