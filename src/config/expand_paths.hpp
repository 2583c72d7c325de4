// Paths of a configuration as a shell would have them.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// `path` with the home folder in place of a leading ~ or ~user.
std::string with_home(const std::string& path);

/// The files that a shell's pattern (*, ?, [...], {a,b}) stands for, in natural order: part_2
/// before part_10. A file of that very name, and a pattern that nothing matches, stay as they are,
/// the latter for whoever opens it to complain of.
std::vector<std::string> matching_files(const std::string& pattern);

/// Whether `path` is a pattern.
bool is_pattern(const std::string& path);

/// Expands every key that names a place on the disk, data.train.file and data.validation.file with
/// patterns. Looks at the disk.
void expand_paths(Config& config);

}  // namespace vae_dist::config
