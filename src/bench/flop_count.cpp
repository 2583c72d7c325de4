#include "bench/flop_count.hpp"

#include <functional>
#include <numeric>
#include <stdexcept>

namespace vae_dist::bench {
namespace {

using Kind = model::LayerCall::Kind;

double product(const std::vector<std::int64_t>& sizes, std::size_t first = 0) {
  return std::accumulate(sizes.begin() + static_cast<std::ptrdiff_t>(first), sizes.end(), 1.0,
                         std::multiplies<>());
}

double of_forward(const model::LayerCall& call) {
  switch (call.kind) {
    case Kind::convolution:  // weight: [out, in / groups, taps...]
    case Kind::linear:       // weight: [out, in]
      return 2 * product(call.output) * product(call.weight, 1);
    case Kind::transposed_convolution:  // weight: [in, out / groups, taps...]
      return 2 * product(call.input) * product(call.weight, 1);
    case Kind::attention:  // queries [B, heads, P, C], keys [B, heads, K, C], output as the queries
      return 2 * (product(call.input) + product(call.output)) *
             static_cast<double>(call.weight.at(2));
  }
  throw std::logic_error("unknown kind of layer");
}

}  // namespace

double operations_of(const std::vector<model::LayerCall>& calls) {
  double out = 0;
  for (const model::LayerCall& call : calls) {
    const int gradients = call.kind == Kind::attention ? 2 * static_cast<int>(call.learns_input)
                                                       : static_cast<int>(call.learns_input) +
                                                             static_cast<int>(call.learns_weight);
    out += (1 + gradients) * of_forward(call);
  }
  return out;
}

}  // namespace vae_dist::bench
