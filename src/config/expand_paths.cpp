#include "config/expand_paths.hpp"

#include <glob.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <optional>

#include "config/key_table.hpp"

namespace vae_dist::config {
namespace {

void append_matching(const std::string& file, std::size_t most, std::vector<std::string>& out) {
  std::vector<std::string> matching = matching_files(file);
  if (matching.size() > most) matching = {file};
  out.insert(out.end(), std::make_move_iterator(matching.begin()),
             std::make_move_iterator(matching.end()));
}

std::vector<std::string> expanded(const std::vector<std::string>& files) {
  std::vector<std::string> out;
  for (const std::string& file : files) append_matching(with_home(file), kMostKeptNames, out);
  return out;
}

void expand(const base::Key& key);

// Expands what a key names on disk, and so each key of the items of a list.
struct Expand {
  const base::Key& key;

  void operator()(std::string* path) const {
    if (names_a_place()) *path = with_home(*path);
  }
  void operator()(std::optional<std::string>* path) const {
    if (names_a_place() && *path) *path = with_home(**path);
  }
  void operator()(std::vector<std::string>* files) const {
    if (names_a_place()) *files = expanded(*files);
  }
  void operator()(base::ItemList* list) const {
    for (base::ItemList::Entry& entry : list->entries())
      for (const base::Key& own : base::ItemList::keys_of(entry)) expand(own);
  }
  template <typename Value>
  void operator()(Value*) const {}

  bool names_a_place() const { return key.named != base::Named::nothing_on_disk; }
};

void expand(const base::Key& key) { std::visit(Expand{key}, key.slot); }

}  // namespace

std::string with_home(const std::string& path) {
  if (!path.starts_with('~')) return path;
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string user = path.substr(1, end - 1);
  const char* const home = user.empty() ? std::getenv("HOME") : nullptr;
  if (home) return home + path.substr(end);
  const passwd* const entry = user.empty() ? ::getpwuid(::geteuid()) : ::getpwnam(user.c_str());
  return entry ? entry->pw_dir + path.substr(end) : path;
}

bool is_pattern(const std::string& path) { return path.find_first_of("*?[{") != std::string::npos; }

std::vector<std::string> matching_files(const std::string& pattern) {
  std::error_code error;
  if (!is_pattern(pattern) || std::filesystem::exists(pattern, error)) return {pattern};
  glob_t found{};
  std::vector<std::string> files;
  if (::glob(pattern.c_str(), GLOB_BRACE | GLOB_NOSORT, nullptr, &found) == 0)
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (files.empty()) return {pattern};
  std::sort(files.begin(), files.end(), [](const std::string& one, const std::string& other) {
    return ::strverscmp(one.c_str(), other.c_str()) < 0;
  });
  return files;
}

std::vector<std::string> listed_files(const std::vector<std::string>& files) {
  std::vector<std::string> out;
  for (const std::string& file : files)
    append_matching(file, std::numeric_limits<std::size_t>::max(), out);
  return out;
}

void expand_paths(Config& config) {
  for (const base::Key& key : key_table(config)) expand(key);
}

}  // namespace vae_dist::config
