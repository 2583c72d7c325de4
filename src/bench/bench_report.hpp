// The result of a bench, as text for people and as JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/training_bench.hpp"

namespace vae_dist::bench {

std::string bench_text(const BenchResult& result);

/// Returns the same figures in seconds, bytes and operations per second.
nlohmann::json bench_json(const BenchResult& result);

}  // namespace vae_dist::bench
