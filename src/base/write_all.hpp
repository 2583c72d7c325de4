// Writes all bytes to an open file, however many a single call of the system takes.
#pragma once

#include <string_view>

namespace vae_dist::base {

/// Returns false, with the reason in errno, if the rest cannot be written.
bool write_all(int fd, std::string_view bytes);

}  // namespace vae_dist::base
