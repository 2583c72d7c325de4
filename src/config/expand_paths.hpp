// Expands the paths in a configuration as a shell would.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// Returns `path` with a leading ~ or ~user replaced by the home folder.
std::string with_home(const std::string& path);

/// Returns the files that match a shell pattern (*, ?, [...], {a,b}), in natural order: part_2
/// before part_10. Returns `pattern` itself if a file has exactly that name or if nothing matches;
/// opening the file then reports the error.
std::vector<std::string> matching_files(const std::string& pattern);

/// Returns whether `path` contains pattern characters.
bool is_pattern(const std::string& path);

/// Returns the files that a list of names and patterns stands for.
std::vector<std::string> listed_files(const std::vector<std::string>& files);

/// A pattern of more files stays a pattern in a Config, and so in what is kept of a run.
constexpr std::size_t kMostKeptNames = 1000;

/// Expands every key that says that it names a file or a folder (base::Key::named), those of
/// registered items included; a list of files may have patterns among them. Reads the file system.
void expand_paths(Config& config);

}  // namespace vae_dist::config
