// Files that survive a crash: what a name shows is always complete, the old content or the new.
#pragma once

#include <filesystem>
#include <string_view>

namespace vae_dist::base {

/// Writes `bytes` to a new file and fsyncs it. Throws Failure with the path and the system's
/// reason.
void write_and_sync(const std::filesystem::path& path, std::string_view bytes);

/// Makes a finished rename or unlink in `directory` durable.
void sync_directory(const std::filesystem::path& directory);

/// Writes beside `path`, fsyncs, renames over `path`, fsyncs the parent: readers see the old file
/// or the new one, never a part.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

/// The whole file. Throws BadInput with the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

}  // namespace vae_dist::base
