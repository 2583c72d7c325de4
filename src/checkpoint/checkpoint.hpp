// One checkpoint: a directory that holds everything the next step needs, complete or not there at all.
//
//   step_00001000/manifest.json           format version, step, each file's size and XXH3
//                 weights.safetensors     parameters and buffers by name
//                 optimizer.safetensors   moments by parameter name ("exp_avg.<name>")
//                 state.json              TrainingState
//                 config.yaml             the resolved configuration
//
// Beside them, after a crash: .tmp_step_00001000_<pid>, a write or a removal that was interrupted (the next prune removes it), and
// step_00001000.broken_1, a damaged checkpoint whose step was saved again (left for a person to look at).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "checkpoint/training_state.hpp"

namespace vae_dist {

struct Checkpoint {
  TensorFile weights;
  TensorFile optimizer;
  TrainingState state;
  std::string config_yaml;
};

/// `<root>/step_00001000` for step 1000.
std::filesystem::path checkpoint_directory(const std::filesystem::path& root, std::int64_t step);

/// Writes `checkpoint` to `<root>/step_<8 digits>`: to a temporary directory beside it, every file fsynced, then the manifest, then
/// renamed (never onto an existing one), parent fsynced. `root` is made when it is not there.
/// A checkpoint of that step that is there and verifies is kept as it is; one that does not verify is moved aside to
/// `step_N.broken_<k>`, with a warning. Returns the final directory. Throws Failure (disk full, no permission) after removing the
/// temporary directory.
/// Only one process writes below a root; within it, writing and pruning exclude each other.
std::filesystem::path write_checkpoint(const std::filesystem::path& root, const Checkpoint& checkpoint);

/// Reads and verifies sizes and hashes against the manifest. Throws BadInput with what is wrong: missing file, size, hash, newer format.
Checkpoint read_checkpoint(const std::filesystem::path& directory);

/// Checkpoint directories under `root`, newest step first, complete-looking ones only (a manifest is there). Temporary ones are ignored.
std::vector<std::filesystem::path> find_checkpoints(const std::filesystem::path& root);

/// The newest that verifies; one warning for each newer one that does not. Empty when there is none at all. Throws BadInput when there
/// are some but none verifies.
std::optional<Checkpoint> read_newest_checkpoint(const std::filesystem::path& root);

/// Removes all but the newest `keep` (at least one) and those in `protect`; and leftovers of interrupted writes, unless the process
/// that their name gives is alive. Throws Failure.
void prune_checkpoints(const std::filesystem::path& root, std::int64_t keep, const std::vector<std::filesystem::path>& protect = {});

}  // namespace vae_dist
