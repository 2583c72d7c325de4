// What a bench found, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/training_bench.hpp"

namespace vae_dist::bench {

std::string bench_text(const BenchResult& result);

/// The same figures: seconds, bytes, operations a second.
nlohmann::json bench_json(const BenchResult& result);

}  // namespace vae_dist::bench
