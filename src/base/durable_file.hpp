// Writes files that survive a crash: a file name always refers to a complete file, with either the
// old or the new content.
#pragma once

#include <filesystem>
#include <string_view>

namespace vae_dist::base {

/// Writes `bytes` to a new file and fsyncs it. Throws Failure with the path and the system's error
/// text.
void write_and_sync(const std::filesystem::path& path, std::string_view bytes);

/// Makes a finished rename or unlink in `directory` durable.
void sync_directory(const std::filesystem::path& directory);

/// Writes a temporary file beside `path`, fsyncs it, renames it over `path` and fsyncs the parent
/// directory. Readers see the old file or the new one, never a part of it.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

/// Returns the content of the whole file. Throws BadInput with the path and the system's error
/// text.
std::string read_file(const std::filesystem::path& path);

}  // namespace vae_dist::base
