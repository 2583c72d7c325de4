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
  config.data.train.file = expanded(config.data.train.file);
  config.data.validation.file = expanded(config.data.validation.file);
  for (std::string* place : {&config.run.directory, &config.checkpoint.resume})
    *place = with_home(*place);
  for (std::optional<std::string>* place :
       {&config.metrics.service_discovery, &config.metrics.textfile})
    if (*place) *place = with_home(**place);
}

}  // namespace vae_dist::config
