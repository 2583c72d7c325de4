#include "config/load_config.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "config/check_config.hpp"
#include "config/expand_paths.hpp"
#include "config/key_table.hpp"
#include "config/nearest_name.hpp"
#include "config/read_value.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

/// Whether a configuration may include files. Text that a run has kept, or that another rank has
/// sent, names no file to read.
enum class Includes { followed, refused };

std::string read_text(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream content;
  if (file.is_open() && file.peek() != std::ifstream::traits_type::eof()) content << file.rdbuf();
  if (!file.is_open() || file.bad())
    throw base::BadInput(base::text("cannot be read: ", std::strerror(errno)));
  return content.str();
}

/// Fills a Config from a file with all that it includes and then from overrides, and records where
/// each value came from.
class Loader {
 public:
  Loader(Config& config, std::string file, Includes includes)
      : config_(config),
        file_(std::move(file)),
        includes_(includes),
        keys_(key_table(config)),
        default_keys_(key_table(defaults_)) {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const std::string& name = keys_[i].name;
      rows_[name].push_back(i);
      for (std::size_t dot = name.find('.'); dot != std::string::npos;
           dot = name.find('.', dot + 1))
        sections_.insert(name.substr(0, dot));
    }
  }
  Loader(const Loader&) = delete;  // default_keys_ points into defaults_
  Loader& operator=(const Loader&) = delete;

  void read_file(const std::string& yaml) { read_one_of_files(yaml, {file_, file_}); }

  /// Returns the paths of all files that were read, in the order in which their reading began.
  const std::vector<std::string>& files() const { return files_; }

  void read_override(const std::string& assignment) {
    override_ = assignment + " (command line)";
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0)
      throw base::BadInput(override_ + ": write key=value, e.g. train.global_batch=512");
    seen_.clear();
    try {
      read_entry(YAML::Load(assignment.substr(equals + 1)), assignment.substr(0, equals),
                 override_);
    } catch (const YAML::ParserException& error) {
      throw base::BadInput(base::text(override_, ": the value is not valid YAML: ", error.msg,
                                      "; put text in quotes"));
    }
  }

  /// Fills in the keys that are newer than the run and returns their names. A run stores every key
  /// that has an effect, so a missing one did not exist when the run was started.
  std::vector<std::string> fill_for_older_runs() {
    std::vector<std::string> filled;
    for (const base::Key& each : keys_) {
      if (each.for_older_runs.empty() || given_.contains(each.name) || !base::counts(each))
        continue;
      assign(YAML::Load(each.for_older_runs), each, file_);
      filled.push_back(each.name);
    }
    return filled;
  }

  /// Runs the checks that need the complete configuration.
  void finish() {
    settle_keys_without_effect();
    for (const base::Key& each : keys_) {
      if (each.required && !given_.contains(each.name))
        throw base::BadInput(file_ + ": required key '" + each.name + "' is missing");
    }
    if (const auto contradiction = find_contradiction(config_)) {
      const auto& names = contradiction->keys;
      const auto culprit =
          std::find_if(names.begin(), names.end(),
                       [this](const std::string& name) { return given_.contains(name); });
      throw base::BadInput((culprit == names.end() ? file_ : given_.at(*culprit).where) + ": " +
                           contradiction->message);
    }
  }

 private:
  struct Given {
    std::string where;             // "big.yaml:12" or "train.steps=9 (command line)"
    bool counted_in_file = false;  // set in a file, and effective when it, or a file that includes
                                   // it, had been read: before what takes precedence over it
    std::map<std::size_t, std::string> complaints =
        {};  // errors by row, where several rows share the name and this row rejects the value
  };

  // Several registered items may define a key of the same name; only the row of the chosen item
  // applies. Which item is chosen is known only after everything has been read.
  std::optional<std::size_t> counting_row(const std::string& name) const {
    for (const std::size_t row : rows_.at(name))
      if (base::counts(keys_[row])) return row;
    return std::nullopt;
  }

  // A file that is read. Where a folder is a link, folder/../name is not what stands beside the
  // link; so the path is opened as it is written, and only messages show it shortened.
  struct ReadFile {
    std::string path, shown;
  };

  void read_one_of_files(const std::string& yaml, const ReadFile& file) {
    const std::string& name = file.shown;
    files_.push_back(file.path);
    open_.push_back(file);
    std::vector<YAML::Node> documents;
    try {
      documents = YAML::LoadAll(yaml);
    } catch (const YAML::ParserException& error) {
      throw base::BadInput(base::text(name, ":", error.mark.line + 1, ": this is not valid YAML: ",
                                      error.msg, " (column ", error.mark.column + 1, ")"));
    }
    if (documents.size() > 1)
      throw base::BadInput(
          base::text(name, ": holds ", documents.size(), " YAML documents; keep only one"));
    const YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
    if (root.IsMap()) {
      read_included(root);
      seen_.clear();
      read_map(root, "");
    } else if (!root.IsNull()) {
      throw base::BadInput(
          base::text(name, ": is ", shown(root), "; a configuration must be a map of keys"));
    }
    for (auto& [key, given] : given_)
      given.counted_in_file = given.counted_in_file || counting_row(key).has_value();
    open_.pop_back();
  }

  // Reads the files that a file includes, wherever it says so, before the file's own keys, which
  // take precedence.
  void read_included(const YAML::Node& root) {
    for (const auto& entry : root) {
      if (!entry.first.IsScalar() || entry.first.Scalar() != kInclude) continue;
      std::vector<YAML::Node> named;
      if (entry.second.IsScalar()) named.push_back(entry.second);
      if (entry.second.IsSequence())
        for (const YAML::Node& each : entry.second) named.push_back(each);
      if (named.empty())
        throw base::BadInput(place_of(entry.first) +
                             ": include takes the name of a file or a list of names, not " +
                             shown(entry.second));
      for (const YAML::Node& name : named) {
        if (!name.IsScalar() || name.Scalar().empty())
          throw base::BadInput(place_of(entry.first) + ": include takes names of files, not " +
                               shown(name));
        include(name.Scalar(), place_of(name));
      }
    }
  }

  void include(const std::string& name, const std::string& where) {
    if (includes_ == Includes::refused)
      throw base::BadInput(where +
                           ": include works only in files; what a run keeps names no other file");
    const std::filesystem::path here = std::filesystem::path(open_.back().path).parent_path();
    const std::filesystem::path whole = here / with_home(name);
    const std::string path = whole.string(), shown = whole.lexically_normal().string();
    std::error_code error;
    const auto again = std::find_if(open_.begin(), open_.end(), [&](const ReadFile& open) {
      return std::filesystem::equivalent(open.path, path, error);
    });
    if (again != open_.end()) {
      std::vector<std::string> chain;
      for (auto each = again; each != open_.end(); ++each) chain.push_back(each->shown);
      throw base::BadInput(base::text(where, ": files include each other in a circle: ",
                                      joined(chain, " -> "), " -> ", again->shown));
    }
    // Files that include two others each could otherwise be read 2^n times.
    constexpr std::size_t kMostFiles = 1000;
    if (files_.size() == kMostFiles)
      throw base::BadInput(base::text(where, ": more than ", kMostFiles, " files are included"));
    const std::string advice = "; a name is relative to the folder of the file that includes it";
    if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
      throw base::BadInput(
          base::text(where, ": include names ", shown, ", which is not a regular file", advice));
    std::string yaml;
    try {
      yaml = read_text(path);
    } catch (const base::BadInput& unreadable) {
      throw base::BadInput(
          base::text(where, ": include names ", shown, ", which ", unreadable.what(), advice));
    }
    read_one_of_files(yaml, {path, shown});
  }

  std::string place_of(const YAML::Node& node) const {
    return override_.empty() ? base::text(open_.back().shown, ":", node.Mark().line + 1)
                             : override_;
  }

  void read_map(const YAML::Node& map, const std::string& prefix) {
    std::vector<YAML::Node> merged;
    for (const auto& entry : map) {
      const std::string where = place_of(entry.first);
      if (!entry.first.IsScalar()) throw base::BadInput(where + ": a key must be a word");
      if (entry.first.Scalar() == "<<") {
        add_merged(entry.second, prefix, where, merged);
      } else if (prefix.empty() && entry.first.Scalar().starts_with("x-")) {
        // It only holds values that other keys merge or alias.
      } else if (prefix.empty() && merging_ == 0 && entry.first.Scalar() == kInclude &&
                 override_.empty()) {
        if (!seen_.insert(kInclude).second)
          throw base::BadInput(where + ": include is given twice; write one list of files");
      } else {
        read_entry(entry.second, prefix + entry.first.Scalar(), where);
      }
    }
    // YAML's merge key (https://yaml.org/type/merge.html): the map's own keys take precedence, then
    // each merged map in turn.
    constexpr int kDeep = 20;
    if (!merged.empty() && merging_ == kDeep)
      throw base::BadInput(place_of(map) + ": this map merges itself (<<)");
    for (const YAML::Node& node : merged) {
      ++merging_;
      read_map(node, prefix);
      --merging_;
    }
  }

  void add_merged(const YAML::Node& node, const std::string& prefix, const std::string& where,
                  std::vector<YAML::Node>& merged) const {
    if (node.IsMap()) return merged.push_back(node);
    const bool maps =
        node.IsSequence() &&
        std::all_of(node.begin(), node.end(), [](const YAML::Node& each) { return each.IsMap(); });
    if (!maps)
      throw base::BadInput(
          where + ": " + prefix +
          "<< takes a map or a list of maps, such as *name for a map marked &name, not " +
          shown(node));
    for (const YAML::Node& each : node) merged.push_back(each);
  }

  void read_entry(const YAML::Node& node, const std::string& name, const std::string& where) {
    if (!seen_.insert(name).second) {
      if (merging_ > 0) return;
      throw base::BadInput(where + ": key '" + name + "' is set twice; keep only one");
    }
    if (rows_.contains(name)) {
      given_[name] = {where};
      for (const std::size_t row : rows_.at(name)) {
        try {
          assign(node, keys_[row], where);
        } catch (const base::BadInput& error) {
          if (rows_.at(name).size() == 1) throw;
          given_[name].complaints[row] = error.what();
        }
      }
    } else if (name == kInclude) {
      throw base::BadInput(where +
                           ": include stands at the top of a file, neither merged nor given on the "
                           "command line");
    } else if (!sections_.contains(name)) {
      throw base::BadInput(where + ": unknown key '" + name + "'; " + advice(name));
    } else if (node.IsMap()) {
      read_map(node, name + ".");
    } else if (node.IsNull()) {
      reset_section(name);
    } else {
      throw base::BadInput(where + ": " + name + " is a group of keys (" +
                           base::list_of_ten(members_of(name)) + "), not " + shown(node));
    }
  }

  static void assign(const YAML::Node& node, const base::Key& target, const std::string& where) {
    if (target.required && is_word(node, "required"))
      throw base::BadInput(where + ": required key '" + target.name + "' is not filled in");
    try {
      read_value(node, target);
    } catch (const WrongType& wrong) {
      throw base::BadInput(where + ": " + target.name + " " + wrong.message);
    }
    const std::string complaint = value_error(target);
    if (!complaint.empty()) throw base::BadInput(where + ": " + complaint);
  }

  void reset(std::size_t row) {
    const base::Key &target = keys_[row], &source = default_keys_[row];
    if (target.choice) {
      target.choice->choose(source.choice->word());
    } else {
      std::visit(
          [&](auto* value) {
            if constexpr (!std::is_same_v<decltype(value), base::Choice*>)
              *value = *std::get<decltype(value)>(source.slot);
          },
          target.slot);
    }
  }

  void reset_section(const std::string& section) {
    for (const auto& [name, rows] : rows_) {
      if (!name.starts_with(section + ".")) continue;
      for (const std::size_t row : rows) reset(row);
      given_.erase(name);
    }
  }

  /// Rejects values that have no effect. If the command line made the value of a key in the file
  /// ineffective, the key returns to its default instead.
  void settle_keys_without_effect() {
    for (const base::Key& each : keys_) {
      const auto found = given_.find(each.name);
      if (found == given_.end()) continue;
      const Given& given = found->second;
      const std::optional<std::size_t> counting = counting_row(each.name);
      if (counting && given.complaints.contains(*counting))
        throw base::BadInput(given.complaints.at(*counting));
      if (!counting && !given.counted_in_file)
        throw base::BadInput(given.where + ": " + each.name +
                             " has no effect: it applies only when " + conditions_of(each.name));
      for (const std::size_t row : rows_.at(each.name))
        if (row != counting) reset(row);
      if (!counting) given_.erase(found);
    }
  }

  std::string conditions_of(const std::string& name) const {
    std::vector<std::string> out;
    for (const std::size_t row : rows_.at(name)) out.push_back(keys_[row].counts_when);
    return joined(out, ", or ");
  }

  std::vector<std::string> members_of(const std::string& section) const {
    std::vector<std::string> members;
    for (const base::Key& each : keys_) {
      if (!each.name.starts_with(section + ".")) continue;
      const std::string rest = each.name.substr(section.size() + 1);
      const std::string member = rest.substr(0, rest.find('.'));
      if (std::find(members.begin(), members.end(), member) == members.end())
        members.push_back(member);
    }
    return members;
  }

  std::string advice(const std::string& unknown) const {
    std::vector<std::string> names(sections_.begin(), sections_.end());
    for (const base::Key& each : keys_) names.push_back(each.name);
    const std::string nearest = nearest_name(unknown, names);
    return nearest.empty() ? "`vae_dist config` lists every key"
                           : "did you mean '" + nearest + "'?";
  }

  static constexpr const char* kInclude = "include";

  Config& config_;
  const std::string file_;
  const Includes includes_;
  std::vector<std::string> files_;  // all that were read
  std::vector<ReadFile> open_;      // the file being read, after those that include it
  std::string override_;            // the override being read; empty while reading a file
  int merging_ = 0;  // depth of merged maps; in them, keys read before take precedence
  Config defaults_;
  std::vector<base::Key> keys_;
  std::vector<base::Key> default_keys_;
  std::map<std::string, std::vector<std::size_t>> rows_;  // by name
  std::set<std::string> sections_;                        // "train", "train.optimizer", ...
  std::map<std::string, Given> given_;                    // keys that were set
  std::set<std::string> seen_;  // names read so far from one source, to detect duplicates
};

enum class Age { of_today, of_its_run };

KeptConfig parsed(const std::string& yaml, const std::string& name,
                  const std::vector<std::string>& overrides, Age age, Includes includes) {
  KeptConfig out;
  Loader loader(out.config, name, includes);
  loader.read_file(yaml);
  if (age == Age::of_its_run) out.older_than = loader.fill_for_older_runs();
  for (const std::string& assignment : overrides) loader.read_override(assignment);
  loader.finish();
  return out;
}

}  // namespace

Config load_config(const std::string& path, const std::vector<std::string>& overrides) {
  std::string yaml;
  try {
    yaml = read_text(path);
  } catch (const base::BadInput& unreadable) {
    throw base::BadInput(
        base::text(path, ": ", unreadable.what(), "; give the path of a YAML configuration"));
  }
  Config config = parsed(yaml, path, overrides, Age::of_today, Includes::followed).config;
  expand_paths(config);
  return config;
}

std::vector<std::string> files_of_config(const std::string& path) {
  Config config;
  Loader loader(config, path, Includes::followed);
  try {
    loader.read_file(read_text(path));
  } catch (const base::BadInput&) {
    // Whoever loads the configuration reports what is wrong with it.
    return loader.files().empty() ? std::vector<std::string>{path} : loader.files();
  }
  return loader.files();
}

Config parse_config(const std::string& yaml, const std::string& name,
                    const std::vector<std::string>& overrides) {
  return parsed(yaml, name, overrides, Age::of_today, Includes::refused).config;
}

KeptConfig parse_kept_config(const std::string& yaml, const std::string& name,
                             const std::vector<std::string>& overrides) {
  return parsed(yaml, name, overrides, Age::of_its_run, Includes::refused);
}

void keep_choices(Config& now, const Config& saved) {
  auto& window = now.data.shuffle_window_chunks;
  if (!window) window = saved.data.shuffle_window_chunks.value_or(0);
  if (now.data.order == Order::automatic) now.data.order = saved.data.order;
  if (now.data.sections == Sections::automatic) now.data.sections = saved.data.sections;
  if (now.train.precision == Precision::automatic) now.train.precision = saved.train.precision;
}

void keep_older_values(Config& now, const KeptConfig& saved) {
  Config of_run = saved.config;
  const std::vector<base::Key> before = key_table(of_run), after = key_table(now);
  for (std::size_t i = 0; i < after.size(); ++i)
    if (std::find(saved.older_than.begin(), saved.older_than.end(), after[i].name) !=
            saved.older_than.end() &&
        value_text(after[i]) == after[i].default_text)
      read_value(YAML::Load(value_text(before[i])), after[i]);
}

}  // namespace vae_dist::config
