// Writes a Config as YAML, and compares two of them.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/error.hpp"
#include "config/key_table.hpp"
#include "config/load_config.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

constexpr std::size_t kCommentColumn = 42;
constexpr std::size_t kLineWidth = 140;

std::vector<std::string> components(const std::string& name) {
  std::vector<std::string> out;
  std::size_t start = 0;
  for (std::size_t dot; (dot = name.find('.', start)) != std::string::npos; start = dot + 1)
    out.push_back(name.substr(start, dot - start));
  out.push_back(name.substr(start));
  return out;
}

/// Returns a comment such as "leaky_relu | relu; nonlinearity after each hidden level", with a
/// leading star if a resumed run may change the key.
std::string comment(const base::Key& key) {
  return (key.may_change_on_resume ? "* " : "") + joined(key.choices, " | ") +
         (key.choices.empty() ? "" : "; ") + key.meaning +
         (key.for_older_runs.empty()
              ? ""
              : " (runs started before this key existed: " + key.for_older_runs + ")");
}

/// Returns `line` followed by the comment, which is wrapped onto the following lines if it is long.
std::string with_comment(std::string line, const std::string& comment) {
  line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
  std::string out;
  line += '#';
  std::istringstream words(comment);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kLineWidth) {
      out += line + "\n";
      line = std::string(kCommentColumn, ' ') + "#";
    }
    line += " " + word;
  }
  return out + line;
}

}  // namespace

std::string config_yaml(const Config& config, bool annotated) {
  Config copy = config;
  std::string out;
  std::vector<std::string> open;  // the sections that contain the last line
  for (const base::Key& key : key_table(copy)) {
    // The reader would refuse a key without effect, so such a key is commented out or omitted.
    if (!base::counts(key) && !annotated) continue;
    std::vector<std::string> path = components(key.name);
    const std::string last = path.back();
    path.pop_back();
    const auto differs = std::mismatch(path.begin(), path.end(), open.begin(), open.end()).first;
    for (auto section = differs; section != path.end(); ++section) {
      const auto depth = static_cast<std::size_t>(section - path.begin());
      if (annotated && depth == 0 && !out.empty()) out += "\n";
      out += std::string(2 * depth, ' ') + *section + ":\n";
    }
    const std::string line = std::string(2 * path.size(), ' ') + (base::counts(key) ? "" : "# ") +
                             last + ": " + value_text(key);
    open = std::move(path);
    out += (annotated ? with_comment(line, comment(key)) : line) + "\n";
  }
  return out;
}

std::string kept_config_yaml(const Config& config) {
  Config kept = config;
  for (SourceConfig* source : {&kept.data.train, &kept.data.validation})
    for (std::string& file : source->file)
      file = std::filesystem::absolute(file).lexically_normal().string();
  return config_yaml(kept);
}

std::string config_value(const Config& config, const std::string& name) {
  Config copy = config;
  std::vector<base::Key> keys = key_table(copy);
  // Of several keys with this name, the chosen item's comes first.
  std::stable_partition(keys.begin(), keys.end(),
                        [](const base::Key& key) { return base::counts(key); });
  for (const base::Key& key : keys) {
    if (key.name != name) continue;
    if (const auto* const plain = std::get_if<std::string*>(&key.slot)) return **plain;
    const auto* const maybe = std::get_if<std::optional<std::string>*>(&key.slot);
    return maybe && **maybe ? ***maybe : value_text(key);
  }
  throw base::BadInput(
      base::text("there is no configuration key '", name, "'; `vae_dist config` lists every key"));
}

std::string default_config_yaml() {
  return "# Every key of a vae_dist configuration with its default (\"required\" if it has none). "
         "A key that is commented out has no effect\n# with the values above it. key=value after "
         "the options of the command line overrides any key by its dotted name:\n# "
         "train.global_batch=512. A * before the meaning marks a key that may change when a run is "
         "resumed. All other keys are fixed for\n# the run; a new run that starts from its weights "
         "may change them (`vae_dist train --from`).\n\n" +
         with_comment("# include: base.yaml",
                      "a file whose keys this one takes over and may override, relative to this "
                      "one's folder; or a list of such files, of which the later take precedence") +
         "\n\n" + config_yaml(Config{}, true);
}

std::vector<std::string> forbidden_differences(const Config& saved, const Config& now) {
  Config saved_copy = saved;
  Config now_copy = now;
  // Null replicas continue with the run's number of replicas, which also determines G.
  if (!now_copy.distributed.replicas) now_copy.distributed.replicas = saved.distributed.replicas;
  keep_choices(saved_copy, saved);
  keep_choices(now_copy, saved);
  if (now_copy.train.batch_per_replica) now_copy.train.global_batch = saved.train.global_batch;

  std::vector<std::string> differences;
  const std::vector<base::Key> saved_keys = key_table(saved_copy);
  const std::vector<base::Key> now_keys = key_table(now_copy);
  for (std::size_t i = 0; i < saved_keys.size(); ++i) {
    const std::string before = value_text(saved_keys[i]);
    const std::string after = value_text(now_keys[i]);
    if (!saved_keys[i].may_change_on_resume && before != after) {
      differences.push_back(saved_keys[i].name + ": " + brief_value_text(saved_keys[i]) +
                            " in the run, " + brief_value_text(now_keys[i]) + " now");
    }
  }
  return differences;
}

}  // namespace vae_dist::config
