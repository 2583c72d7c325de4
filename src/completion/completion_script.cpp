#include "completion/completion_script.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "completion_scripts.hpp"
#include "config/key_table.hpp"

namespace vae_dist::completion {
namespace {

std::string joined_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// A function of the shell that sets variables by its arguments: a branch for each text that they
// may be. Words hold no quotes: they are names of verbs, options, keys and registered items.
class ShellFunction {
 public:
  ShellFunction(const std::string& name, const std::string& subject, const std::string& otherwise) {
    text_ << name << "() {\n  " << otherwise << "\n  case " << subject << " in\n";
  }
  void add(const std::string& value, const std::string& assignments) {
    text_ << "    '" << value << "') " << assignments << " ;;\n";
  }
  std::string text() const { return text_.str() + "  esac\n}\n\n"; }

 private:
  std::ostringstream text_;
};

std::string words_assignment(const std::vector<std::string>& words) {
  return "kind=words reply='" + joined_words(words) + "'";
}

// Returns the words that an option is checked against (CLI::IsMember), which CLI11 shows in braces
// behind its type: TEXT:{auto,cuda,cpu}.
std::vector<std::string> words_of(const CLI::Option& option) {
  const std::string shown = option.get_type_name();
  const std::size_t open = shown.find('{'), end = shown.find('}');
  if (open == std::string::npos || end == std::string::npos || end < open) return {};
  return CLI::detail::split(shown.substr(open + 1, end - open - 1), ',');
}

std::string takes(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "kind=flag";
  if (const auto words = words_of(option); !words.empty()) return words_assignment(words);
  const std::string type = option.get_type_name();
  return type.starts_with(kFile) ? "kind=file" : type.starts_with(kFolder) ? "kind=folder" : "";
}

// What the arguments without a name may be, taken together.
std::string arguments_take(const CLI::App& verb) {
  std::vector<std::string> types;
  for (const CLI::Option* option : verb.get_options()) {
    if (!option->get_positional() || option->nonpositional()) continue;
    if (const auto words = words_of(*option); !words.empty()) return words_assignment(words);
    types.push_back(option->get_type_name());
  }
  const auto any = [&](const std::string& type) {
    return std::any_of(types.begin(), types.end(),
                       [&](const std::string& each) { return each.starts_with(type); });
  };
  if (any(kKeyValue)) return any(kFile) ? "kind=keys_or_file" : "kind=keys";
  return any(kFile) ? "kind=file" : any(kFolder) ? "kind=folder" : "";
}

// The functions of the shell that know the verbs and their options.
struct VerbTables {
  ShellFunction verbs{"__vae_dist_verbs", "$1", "reply=''"};
  ShellFunction options{"__vae_dist_options", "$1", "reply=''"};
  ShellFunction argument{"__vae_dist_argument", "\"$1 ${2%%=*}\"", "kind=text reply=''"};

  // `path`: the verb's name behind those of its groups; empty for the program itself.
  void add(const CLI::App& verb, const std::string& path) {
    std::vector<std::string> inner, named;
    for (const CLI::App* each : verb.get_subcommands({})) inner.push_back(each->get_name());
    for (const CLI::Option* option : verb.get_options()) {
      std::vector<std::string> names;
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
      const std::string assignments = takes(*option);
      for (const std::string& name : names) {
        if (name.starts_with("--")) named.push_back(name);
        if (!assignments.empty()) argument.add(path + " " + name, assignments);
      }
    }
    if (!inner.empty()) verbs.add(path, "reply='" + joined_words(inner) + "'");
    options.add(path, "reply='" + joined_words(named) + "'");
    if (const std::string any = arguments_take(verb); !any.empty()) argument.add(path + " ", any);
    for (const CLI::App* each : verb.get_subcommands({}))
      add(*each, (path.empty() ? "" : path + " ") + each->get_name());
  }
};

// Returns the words that a key of the configuration takes, without spaces: [0,1].
std::vector<std::string> words_of(const base::Key& key) {
  std::vector<std::string> words = key.choices;
  words.insert(words.end(), key.entry_choices.begin(), key.entry_choices.end());
  if (std::holds_alternative<bool*>(key.slot) ||
      std::holds_alternative<std::optional<bool>*>(key.slot))
    words.insert(words.end(), {"true", "false"});
  if (!key.empty_word.empty()) words.push_back(key.empty_word);
  for (std::string& word : words) std::erase(word, ' ');
  return words;
}

std::string key_tables() {
  config::Config config;
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> words;
  std::map<std::string, base::Named> named;
  for (const base::Key& key : config::key_table(config)) {
    if (!words.contains(key.name)) names.push_back(key.name);
    std::vector<std::string>& known = words[key.name];
    for (const std::string& word : words_of(key))
      if (std::find(known.begin(), known.end(), word) == known.end()) known.push_back(word);
    if (key.named != base::Named::nothing_on_disk) named[key.name] = key.named;
  }
  ShellFunction values("__vae_dist_values", "$1", "kind=text reply=''");
  for (const std::string& name : names) {
    if (const auto place = named.find(name); place != named.end())
      values.add(name, place->second == base::Named::file ? "kind=file" : "kind=folder");
    else if (!words.at(name).empty())
      values.add(name, words_assignment(words.at(name)));
  }
  return values.text() + "__vae_dist_keys='" + joined_words(names) + "'\n\n";
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::vector<std::string>& begin_training,
                              const std::string& shell) {
  VerbTables tables;
  tables.add(app, "");
  const bool zsh = shell == "zsh";
  return std::string(zsh ? "#compdef vae_dist\n" : "") + "# Completion of vae_dist for " + shell +
         ", made by `vae_dist completion " + shell + "`.\n\n" + tables.verbs.text() +
         tables.options.text() + tables.argument.text() + key_tables() +
         "# The options with which a command line without a verb trains.\n"
         "__vae_dist_begin_training='" +
         joined_words(begin_training) + "'\n\n" + kPositionScript +
         (zsh ? kZshScript : kBashScript);
}

}  // namespace vae_dist::completion
