#include "checkpoint/checkpoint.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <mutex>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/host_name.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "base/yaml_json.hpp"
#include "checkpoint/manifest.hpp"

namespace vae_dist::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step_";
constexpr std::string_view kScratchPrefix = ".tmp_step_";
constexpr std::size_t kStepDigits = 8;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kConfig = "config.yaml";
constexpr const char* kConfigJson = "config.json";
constexpr const char* kEvaluatedState = "state_evaluated.json";
constexpr const char* kLastSteps = "last_steps.jsonl";

// A write changes its files within seconds. A leftover of another host, whose processes cannot be
// looked at, has not changed for this long.
constexpr std::chrono::hours kLeftoverAge{1};

// Held while a root changes, because a temporary directory with the pid of this process counts as a
// leftover for the holder.
std::mutex& change_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::string step_digits(std::int64_t step) {
  std::string digits = std::to_string(step);
  return std::string(kStepDigits - std::min(kStepDigits, digits.size()), '0') + digits;
}

fs::path scratch_directory(const fs::path& root, std::string_view digits, int rank) {
  return root /
         base::text(kScratchPrefix, digits, "_", base::host_name(), "_", rank, "_", ::getpid());
}

template <typename Integer>
std::optional<Integer> parse_digits(std::string_view digits) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 0)
    return std::nullopt;
  return value;
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw base::Failure(base::text("cannot rename ", from, " to ", to, ": ", std::strerror(errno)));
}

void remove_or_throw(const fs::path& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (error) throw base::Failure(base::text("cannot remove ", directory, ": ", error.message()));
}

std::vector<fs::path> entries_of(const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> entries;
  fs::directory_iterator entry(root, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
    return entries;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    entries.push_back(entry->path());
  if (error)
    throw base::BadInput(
        base::text("cannot list the checkpoints in ", root, ": ", error.message()));
  return entries;
}

// Returns every step_<digits>, newest first, whatever it contains.
std::vector<fs::path> step_directories(const fs::path& root) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const auto& path : entries_of(root)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kStepPrefix) || name.size() < kStepPrefix.size() + kStepDigits) continue;
    if (const auto step =
            parse_digits<std::int64_t>(std::string_view(name).substr(kStepPrefix.size())))
      found.emplace_back(*step, path);
  }
  std::ranges::sort(found, std::greater());
  std::vector<fs::path> directories;
  for (auto& [step, path] : found) directories.push_back(std::move(path));
  return directories;
}

std::vector<fs::path> complete_directories(const fs::path& root) {
  auto directories = step_directories(root);
  std::erase_if(directories, [](const fs::path& directory) {
    std::error_code error;
    return !fs::exists(directory / kManifest, error);
  });
  return directories;
}

void write_files(const fs::path& directory, const Checkpoint& checkpoint) {
  Manifest manifest{checkpoint.state.step, {}, checkpoint.after_failure};
  const auto write = [&](const char* name, const std::string& bytes) {
    manifest.files[name] = describe_file(bytes);
    base::write_and_sync(directory / name, bytes);
  };
  write(kWeights, encode_safetensors(checkpoint.weights));
  write(kOptimizer, encode_safetensors(checkpoint.optimizer));
  write(kState, to_json(checkpoint.state));
  write(kConfig, checkpoint.config_yaml);
  write(kConfigJson, base::json_text(base::json_of_yaml(checkpoint.config_yaml), 2) + "\n");
  if (!checkpoint.last_steps.empty()) write(kLastSteps, checkpoint.last_steps);
  base::write_and_sync(directory / kManifest, to_json(manifest));
  base::sync_directory(directory);
}

std::string read_verified(const fs::path& directory, const Manifest& manifest, const char* name) {
  const fs::path path = directory / name;
  const auto expected = manifest.files.find(name);
  if (expected == manifest.files.end())
    throw base::BadInput(base::text(directory / kManifest, " does not list ", name));
  std::string bytes = base::read_file(path);
  if (bytes.size() != expected->second.bytes)
    throw base::BadInput(base::text(path, " is damaged: it holds ", bytes.size(),
                                    " bytes, but the manifest says ", expected->second.bytes));
  if (!matches(bytes, expected->second))
    throw base::BadInput(
        base::text(path, " is damaged: its hash differs from the one in the manifest"));
  return bytes;
}

bool verifies(const fs::path& directory) {
  try {
    read_checkpoint(directory);
    return true;
  } catch (const base::BadInput& error) {
    log::warn(error.what());
    return false;
  }
}

void move_aside(const fs::path& directory) {
  fs::path aside;
  for (int k = 1; aside.empty() || fs::exists(fs::symlink_status(aside)); ++k)
    aside = base::text(directory.string(), ".broken_", k);
  rename_or_throw(directory, aside);
  log::warn(base::text("moved the damaged checkpoint ", directory, " to ", aside.filename(),
                       " in order to save that step again"));
}

// Returns when the directory or a file in it was last changed.
fs::file_time_type last_change(const fs::path& directory) {
  std::error_code error;
  fs::file_time_type last = fs::last_write_time(directory, error);
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    last = std::max(last, fs::last_write_time(entry->path(), ignored));
  }
  return last;
}

// Returns whether the path is .tmp_step_<digits>_<host>_<rank>_<pid> and nobody writes it. Older
// programs named no host. The clocks of two hosts may differ, so a change counts as old by the last
// change of its parent directory, in which every write makes entries.
bool is_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kScratchPrefix)) return false;
  std::string_view rest = std::string_view(name).substr(kScratchPrefix.size());
  const std::size_t last = rest.rfind('_');
  if (last == std::string_view::npos) return false;
  const auto pid = parse_digits<pid_t>(rest.substr(last + 1));
  if (!pid || *pid == 0) return false;
  rest = rest.substr(0, last);  // digits_host_rank
  const std::size_t first = rest.find('_'), rank = rest.rfind('_');
  const bool has_host = first != std::string_view::npos && rank > first;
  if (has_host && rest.substr(first + 1, rank - first - 1) == base::host_name())
    return *pid == ::getpid() || (::kill(*pid, 0) != 0 && errno == ESRCH);
  std::error_code error;
  const fs::file_time_type now = fs::last_write_time(path.parent_path(), error);
  return !error && now - last_change(path) > kLeftoverAge;
}

}  // namespace

fs::path checkpoint_directory(const fs::path& root, std::int64_t step) {
  return root / (std::string(kStepPrefix) + step_digits(step));
}

fs::path write_checkpoint(const fs::path& root, const Checkpoint& checkpoint, int rank) {
  const std::lock_guard lock(change_mutex());
  const fs::path directory = checkpoint_directory(root, checkpoint.state.step);
  const fs::path scratch = scratch_directory(root, step_digits(checkpoint.state.step), rank);
  try {
    fs::create_directories(root);
    const bool is_taken = fs::exists(fs::symlink_status(directory));
    if (is_taken && verifies(directory)) return directory;
    fs::remove_all(scratch);
    fs::create_directory(scratch);
    write_files(scratch, checkpoint);
    if (is_taken) move_aside(directory);
    rename_or_throw(scratch, directory);
    base::sync_directory(root);
    return directory;
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(scratch, ignored);
    throw base::Failure(base::text("cannot write the checkpoint ", directory, ": ", error.what()));
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(scratch, ignored);
    throw;
  }
}

void write_evaluated_state(const fs::path& directory, const TrainingState& state) {
  const std::lock_guard lock(change_mutex());
  Manifest manifest =
      manifest_from_json(base::read_file(directory / kManifest), (directory / kManifest).string());
  if (manifest.step != state.step)
    throw base::BadInput(base::text(directory, " is the checkpoint of step ", manifest.step,
                                    ", not of step ", state.step));
  const std::string bytes = to_json(state);
  if (manifest.files.contains(kEvaluatedState)) return;  // these weights have been evaluated before
  base::replace_file(directory / kEvaluatedState, bytes);
  manifest.files[kEvaluatedState] = describe_file(bytes);
  base::replace_file(directory / kManifest, to_json(manifest));
}

Checkpoint read_checkpoint(const fs::path& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error))
    throw base::BadInput(base::text("there is no checkpoint directory ", directory));
  if (!fs::exists(directory / kManifest, error))
    throw base::BadInput(
        base::text(directory, " is not a complete checkpoint: it has no ", kManifest));
  const auto manifest =
      manifest_from_json(base::read_file(directory / kManifest), (directory / kManifest).string());

  Checkpoint checkpoint;
  checkpoint.weights = decode_safetensors(read_verified(directory, manifest, kWeights),
                                          (directory / kWeights).string());
  checkpoint.optimizer = decode_safetensors(read_verified(directory, manifest, kOptimizer),
                                            (directory / kOptimizer).string());
  checkpoint.state = training_state_from_json(read_verified(directory, manifest, kState),
                                              (directory / kState).string());
  if (manifest.files.contains(kEvaluatedState))
    checkpoint.state = training_state_from_json(read_verified(directory, manifest, kEvaluatedState),
                                                (directory / kEvaluatedState).string());
  checkpoint.config_yaml = read_verified(directory, manifest, kConfig);
  if (manifest.files.contains(kConfigJson)) read_verified(directory, manifest, kConfigJson);
  checkpoint.after_failure = manifest.after_failure;
  if (manifest.files.contains(kLastSteps))
    checkpoint.last_steps = read_verified(directory, manifest, kLastSteps);
  return checkpoint;
}

std::vector<fs::path> find_checkpoints(const fs::path& root) { return complete_directories(root); }

std::optional<Checkpoint> read_newest_checkpoint(const fs::path& root) {
  // Directories without a manifest count too: if the only checkpoint of a run has lost its
  // manifest, the run must not silently start from scratch.
  const auto directories = step_directories(root);
  for (const auto& directory : directories) {
    try {
      return read_checkpoint(directory);
    } catch (const base::BadInput& error) {
      log::warn(base::text(error.what(), directory == directories.back()
                                             ? ""
                                             : "; falling back to the previous checkpoint"));
    }
  }
  if (directories.empty()) return std::nullopt;
  throw base::BadInput(base::text("none of the ", directories.size(), " checkpoint(s) in ", root,
                                  " can be read (see the warnings above): restore one from a "
                                  "backup, or move the folder away to start from scratch"));
}

void prune_checkpoints(const fs::path& root, std::int64_t keep,
                       const std::vector<fs::path>& protect) {
  const std::lock_guard lock(change_mutex());
  for (const auto& path : entries_of(root))
    if (is_leftover(path)) remove_or_throw(path);

  const auto is_protected = [&](const fs::path& directory) {
    std::error_code error;
    return std::ranges::any_of(
        protect, [&](const fs::path& path) { return fs::equivalent(path, directory, error); });
  };
  const auto directories = complete_directories(root);
  for (std::size_t i = static_cast<std::size_t>(std::max<std::int64_t>(keep, 1));
       i < directories.size(); ++i) {
    const fs::path& directory = directories[i];
    if (is_protected(directory)) continue;
    // Rename first, so that an interrupted removal leaves a leftover instead of a partial
    // checkpoint.
    const fs::path scratch =
        scratch_directory(root, directory.filename().string().substr(kStepPrefix.size()), 0);
    rename_or_throw(directory, scratch);
    remove_or_throw(scratch);
  }
}

}  // namespace vae_dist::checkpoint
