#include "run/run_beginning.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/load_config.hpp"
#include "inference/named_checkpoint.hpp"
#include "inference/trained_model.hpp"
#include "run/version.hpp"

namespace vae_dist::run {
namespace {

bool is_within(const std::filesystem::path& path, const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path inner = std::filesystem::weakly_canonical(path, error),
                              outer = std::filesystem::weakly_canonical(folder, error);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

RunBeginning own_checkpoint(checkpoint::Checkpoint checkpoint, const std::filesystem::path& root) {
  std::string origin = checkpoint::checkpoint_directory(root, checkpoint.state.step).string();
  return {std::move(checkpoint), std::move(origin), /*goes_on=*/true, /*is_own=*/true};
}

RunBeginning beginning_of_fork(const RunDirectory& directory, const std::string& from) {
  if (is_within(inference::named_checkpoint(from), directory.path()))
    throw base::BadInput(base::text(
        "--from ", from, " is the run ", directory.path(),
        " itself. Choose another run.name for the new run, or omit --from to continue this one"));
  if (auto newest = checkpoint::read_newest_checkpoint(directory.checkpoints())) {
    if (newest->state.begun_from.empty())
      throw base::BadInput(
          base::text(directory.path(),
                     " already holds a run that did not begin with the weights of another run. "
                     "Choose another run.name for the run that begins with --from ",
                     from, ", or omit --from to continue the existing run"));
    log::info(base::text("the run ", directory.path(), ", which began with the weights of ",
                         newest->state.begun_from, ", continues from its own checkpoint of step ",
                         newest->state.step));
    return own_checkpoint(std::move(*newest), directory.checkpoints());
  }
  inference::CheckpointAt found = inference::read_checkpoint_at(from);
  return {std::move(found.checkpoint), found.origin.string()};
}

RunBeginning named_or_own(const RunDirectory& directory, const std::string& resume) {
  std::optional<checkpoint::Checkpoint> newest, named;
  std::string origin, why_not;
  try {
    inference::CheckpointAt found = inference::read_checkpoint_at(resume);
    named = std::move(found.checkpoint);
    origin = found.origin.string();
  } catch (const base::BadInput& error) {
    why_not = error.what();
  }
  try {
    newest = checkpoint::read_newest_checkpoint(directory.checkpoints());
  } catch (const base::BadInput& error) {
    // All own checkpoints are damaged, but the named one can be used.
    if (!named) throw;
    log::warn(error.what());
  }
  if (!named && !newest) throw base::BadInput(base::text("checkpoint.resume: ", why_not));
  // If this run began from another run, its step count may be behind that of the other run, which
  // may have continued itself. Steps cannot be compared then.
  const bool has_begun = newest && !newest->state.begun_from.empty();
  if (newest && (!named || has_begun || newest->state.step >= named->state.step)) {
    if (!named || newest->state.step != named->state.step)
      log::info(base::text("checkpoint.resume names ", resume,
                           named ? base::text(" (step ", named->state.step, ")")
                                 : base::text(", which cannot be read (", why_not, ")"),
                           ", but the run ", directory.path(), " has its own checkpoint of step ",
                           newest->state.step, ", so it continues from that one. ",
                           named ? fork_advice(resume) : "Omit checkpoint.resume."));
    return own_checkpoint(std::move(*newest), directory.checkpoints());
  }
  const bool is_own = is_within(origin, directory.checkpoints());
  log::info(base::text("the run ", directory.path(), " continues from ", origin, ", step ",
                       named->state.step));
  return {std::move(named), std::move(origin), /*goes_on=*/true, is_own};
}

}  // namespace

RunBeginning find_beginning(const config::Config& config, const std::string& from) {
  const RunDirectory directory(config.run);
  const std::string& resume = config.checkpoint.resume;
  const config::Resume kind = config::resume_of(config.checkpoint);
  if (kind == config::Resume::never &&
      !checkpoint::find_checkpoints(directory.checkpoints()).empty())
    throw base::BadInput(base::text(
        directory.path(),
        " holds the checkpoints of an earlier run, and checkpoint.resume is never. Choose another "
        "run.name, remove that directory, or set checkpoint.resume=auto to continue that run. ",
        fork_advice(directory.path())));
  if (!from.empty()) {
    if (kind == config::Resume::named)
      throw base::BadInput(base::text("--from ", from, " begins a new run, and checkpoint.resume=",
                                      resume, " continues an existing one; keep one of them"));
    return beginning_of_fork(directory, from);
  }
  switch (kind) {
    case config::Resume::never:
      return {};
    case config::Resume::named:
      return named_or_own(directory, resume);
    case config::Resume::automatic:
      break;
  }
  auto newest = checkpoint::read_newest_checkpoint(directory.checkpoints());
  return newest ? own_checkpoint(std::move(*newest), directory.checkpoints()) : RunBeginning{};
}

std::filesystem::path write_beginning(const config::Config& config, const step::Learner& learner,
                                      checkpoint::TrainingState state) {
  const RunDirectory directory(config.run);
  state.program_version = kVersion;
  directory.create();
  return checkpoint::write_checkpoint(
      directory.checkpoints(), {learner.weights(), learner.optimizer_state(), std::move(state),
                                config::kept_config_yaml(config)});
}

std::string fork_advice(const std::filesystem::path& path) {
  return base::text("To begin a new run with these weights: vae_dist train --from ", path.string(),
                    " run.name=NEW, plus any other keys that should change.");
}

}  // namespace vae_dist::run
