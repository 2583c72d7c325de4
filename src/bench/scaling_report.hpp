// A prediction for larger worlds, as text for people and as JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/scaling.hpp"

namespace vae_dist::bench {

std::string scaling_text(const Scaling& scaling);
nlohmann::json scaling_json(const Scaling& scaling);

}  // namespace vae_dist::bench
