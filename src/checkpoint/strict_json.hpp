// Parses JSON from files that may be damaged or hostile, and refuses what a lenient parser accepts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

/// Returns the object in `bytes`. Throws BadInput naming `name` (a path) if the text is not JSON in
/// UTF-8, is not an object, is nested deeper than 8 levels or repeats a key.
nlohmann::json parse_strict_json(std::string_view bytes, const std::string& name);

}  // namespace vae_dist::checkpoint
