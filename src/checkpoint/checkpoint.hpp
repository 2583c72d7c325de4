// A checkpoint is a directory that holds everything the next step needs. It exists either
// completely or not at all.
//
//   step_00001000/manifest.json           format version, step, each file's size, XXH3 and SHA-256
//                 weights.safetensors     parameters and buffers by name
//                 optimizer.safetensors   moments by parameter name ("exp_avg.<name>")
//                 state.json              TrainingState
//                 config.yaml             the resolved configuration
//                 config.json             the same for readers that have no YAML
//                 state_evaluated.json    if these weights were evaluated: the TrainingState
//                                         afterwards, which replaces state.json
//                 last_steps.jsonl        if the survivors of a failure wrote it: log lines of its
//                                         last steps, which the run's log may lack
//
// After a crash there may also be .tmp_step_00001000_<host>_<rank>_<pid>, an interrupted write or
// removal (a later prune removes it), and step_00001000.broken_1, a damaged checkpoint whose step
// was saved again (left for inspection).
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
  bool after_failure = false;   ///< written by the survivors of a failure
  std::string last_steps = {};  ///< lines of metrics.jsonl; empty: none
};

/// Returns `<root>/step_00001000` for step 1000.
std::filesystem::path checkpoint_directory(const std::filesystem::path& root, std::int64_t step);

/// Writes `checkpoint` to `<root>/step_<8 digits>` and returns that directory. Creates `root` if
/// needed. The files go to a temporary directory beside it and are fsynced, the manifest last; then
/// the directory is renamed (never onto an existing one) and its parent fsynced. An existing
/// checkpoint of that step is kept if it verifies; otherwise it is moved to `step_N.broken_<k>`
/// with a warning. Throws Failure (disk full, no permission) after removing the temporary
/// directory. Only the process that holds the run's lock may write below a root; within it, writing
/// and pruning exclude each other. `rank` of the writer becomes part of the temporary directory's
/// name.
std::filesystem::path write_checkpoint(const std::filesystem::path& root,
                                       const Checkpoint& checkpoint, int rank = 0);

/// Adds to an existing checkpoint the state after an evaluation of its weights (best loss and the
/// like): first a file beside the others, then, by rename, a manifest that names it. At any moment
/// the checkpoint has either the old state or the new one. Throws BadInput if `directory` holds no
/// complete checkpoint of that step, and Failure if the state cannot be written.
void write_evaluated_state(const std::filesystem::path& directory, const TrainingState& state);

/// Reads a checkpoint and verifies sizes and XXH3 hashes against the manifest. Throws BadInput that
/// names the problem: missing file, size, hash or newer format. Checkpoints from before there was a
/// config.json are read too.
Checkpoint read_checkpoint(const std::filesystem::path& directory);

/// Returns the checkpoint directories under `root` that have a manifest, newest step first. Ignores
/// temporary directories.
std::vector<std::filesystem::path> find_checkpoints(const std::filesystem::path& root);

/// Reads the newest checkpoint that verifies and warns about each newer one that does not. Returns
/// nothing if there is no checkpoint. Throws BadInput if none of the existing ones verifies.
std::optional<Checkpoint> read_newest_checkpoint(const std::filesystem::path& root);

/// Removes all checkpoints except the newest `keep` (at least one) and those in `protect`. Also
/// removes leftovers of interrupted writes: on this host those of processes that have ended, of
/// other hosts those that have not changed for an hour, by the clock of the file system. Throws
/// Failure.
void prune_checkpoints(const std::filesystem::path& root, std::int64_t keep,
                       const std::vector<std::filesystem::path>& protect = {});

}  // namespace vae_dist::checkpoint
