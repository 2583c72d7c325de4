// When a file was last changed, by the clock of its file system.
#pragma once

#include <filesystem>
#include <optional>

#include "base/clock.hpp"

namespace vae_dist::base {

/// Returns the modification time of a file, or of what a link points to, since 1970; nothing if
/// there is no such file. Seconds in double precision tell times apart that are half a microsecond
/// from each other.
std::optional<Seconds> modified(const std::filesystem::path& file);

}  // namespace vae_dist::base
