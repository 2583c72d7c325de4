#include "inference/checkpoint_place.hpp"

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

// The newest state that can be read: the tensors beside it are not looked at.
checkpoint::TrainingState newest_state(const std::vector<std::filesystem::path>& found) {
  for (const std::filesystem::path& directory : found) {
    try {
      return checkpoint::training_state_from_json(base::read_file(directory / "state.json"),
                                                  (directory / "state.json").string());
    } catch (const base::BadInput&) {
      if (directory == found.back()) throw;
    }
  }
  return {};
}

}  // namespace

std::filesystem::path named_checkpoint(const std::string& place) {
  const std::size_t at = place.rfind('@');
  std::error_code error;
  if (at == std::string::npos || place.find('/', at) != std::string::npos ||
      std::filesystem::exists(place, error))
    return place;
  const std::string run = place.substr(0, at), which = place.substr(at + 1);
  const std::filesystem::path root = std::filesystem::path(run) / "checkpoints";
  const std::vector<std::filesystem::path> found = checkpoint::find_checkpoints(root);
  if (found.empty())
    throw base::BadInput(
        base::text(place, ": ", run, " is no run's directory with checkpoints in it"));

  std::int64_t step = 0;
  if (which == "best") {
    step = newest_state(found).best_step;
    if (step < 0)
      throw base::BadInput(base::text(place,
                                      ": the run noted no best checkpoint, which needs validation "
                                      "data (data.validation) and checkpoint.keep_best: 1. It has ",
                                      checkpoints_there(found)));
  } else {
    const auto [end, failed] = std::from_chars(which.data(), which.data() + which.size(), step);
    if (failed != std::errc() || end != which.data() + which.size() || step < 0)
      throw base::BadInput(base::text(place, ": behind the @ stands best, or a step, as in ", run,
                                      "@best and ", run, "@1000"));
  }
  const std::filesystem::path directory = checkpoint::checkpoint_directory(root, step);
  if (std::find(found.begin(), found.end(), directory) == found.end())
    throw base::BadInput(base::text(place, ": there is no checkpoint of step ", step,
                                    "; the run has ", checkpoints_there(found)));
  return directory;
}

std::string best_of(const std::string& place) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::path(place) / "manifest.json", error) ||
      (place.find('@') != std::string::npos && !std::filesystem::exists(place, error)))
    throw base::BadInput(base::text("--best is a checkpoint of a run, and ", place,
                                    " names a checkpoint already: leave out one of the two"));
  return (place.ends_with('/') ? place.substr(0, place.size() - 1) : place) + "@best";
}

}  // namespace vae_dist::inference
