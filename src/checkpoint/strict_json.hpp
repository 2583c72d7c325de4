// JSON from files that may be damaged or hostile: what a lenient reader lets pass is refused.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace vae_dist::checkpoint {

/// The object in `bytes`. Throws BadInput naming `name` (a path) for what is not JSON in UTF-8, not
/// an object, nested deeper than 8 levels, or says a key twice.
nlohmann::json parse_strict_json(std::string_view bytes, const std::string& name);

}  // namespace vae_dist::checkpoint
