#include "inference/named_checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"

namespace vae_dist::inference {
namespace {

constexpr std::size_t kCheckpointsListed = 10;

std::string checkpoints_there(const std::vector<std::filesystem::path>& found) {
  std::string out;
  for (std::size_t i = 0; i < std::min(found.size(), kCheckpointsListed); ++i)
    out += (i ? ", " : "") + found[i].filename().string();
  if (found.size() > kCheckpointsListed)
    out += base::text(" and ", found.size() - kCheckpointsListed, " more");
  return out;
}

// Returns the newest readable state, without reading the tensors beside it: that after the
// evaluation of these weights, if there was one, since they may be the best.
checkpoint::TrainingState newest_state(const std::vector<std::filesystem::path>& found) {
  for (const std::filesystem::path& directory : found) {
    try {
      std::error_code error;
      std::filesystem::path state = directory / "state_evaluated.json";
      if (!std::filesystem::exists(state, error)) state = directory / "state.json";
      return checkpoint::training_state_from_json(base::read_file(state), state.string());
    } catch (const base::BadInput&) {
      if (directory == found.back()) throw;
    }
  }
  return {};
}

}  // namespace

std::filesystem::path named_checkpoint(const std::string& location) {
  const std::size_t at = location.rfind('@');
  std::error_code error;
  if (at == std::string::npos || location.find('/', at) != std::string::npos ||
      std::filesystem::exists(location, error))
    return location;
  const std::string run = location.substr(0, at), which = location.substr(at + 1);
  const std::filesystem::path root = std::filesystem::path(run) / "checkpoints";
  const std::vector<std::filesystem::path> found = checkpoint::find_checkpoints(root);
  if (found.empty())
    throw base::BadInput(
        base::text(location, ": ", run, " is not a run directory with checkpoints in it"));

  std::int64_t step = 0;
  if (which == "best") {
    step = newest_state(found).best_step;
    if (step < 0)
      throw base::BadInput(
          base::text(location,
                     ": the run recorded no best checkpoint, which needs validation data "
                     "(data.validation) and checkpoint.keep_best: 1. It has ",
                     checkpoints_there(found)));
  } else {
    const auto [end, failed] = std::from_chars(which.data(), which.data() + which.size(), step);
    if (failed != std::errc() || end != which.data() + which.size() || step < 0)
      throw base::BadInput(base::text(location, ": give best or a step after the @, as in ", run,
                                      "@best and ", run, "@1000"));
  }
  const std::filesystem::path directory = checkpoint::checkpoint_directory(root, step);
  if (std::find(found.begin(), found.end(), directory) == found.end())
    throw base::BadInput(base::text(location, ": there is no checkpoint of step ", step,
                                    "; the run has ", checkpoints_there(found)));
  return directory;
}

std::string best_of(const std::string& location) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::path(location) / "manifest.json", error) ||
      (location.find('@') != std::string::npos && !std::filesystem::exists(location, error)))
    throw base::BadInput(base::text("--best selects a checkpoint of a run, but ", location,
                                    " already names a checkpoint: leave out one of the two"));
  return (location.ends_with('/') ? location.substr(0, location.size() - 1) : location) + "@best";
}

}  // namespace vae_dist::inference
