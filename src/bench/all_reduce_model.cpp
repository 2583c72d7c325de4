#include "bench/all_reduce_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

namespace vae_dist::bench {
namespace {

constexpr std::size_t kTerms = 5;
using Terms = std::array<double, kTerms>;

double messages(int ranks) { return 2 * std::ceil(std::log2(static_cast<double>(ranks))); }

// Returns the factors of a, o, b, c and d.
Terms factors(const AllReduce& what) {
  const double p = what.ranks, all_bytes = 2 * (p - 1) * what.bytes;
  return {messages(what.ranks), messages(what.ranks) * (what.ranks_per_core - 1), all_bytes / p,
          all_bytes, all_bytes * what.uncached};
}

double predicted(const Terms& factors, const Terms& terms) {
  return std::inner_product(factors.begin(), factors.end(), terms.begin(), 0.0);
}

double error(const std::vector<AllReduceTime>& measured, const Terms& terms) {
  double sum = 0;
  for (const AllReduceTime& one : measured) {
    const double relative = predicted(factors(one), terms) / one.seconds - 1;
    sum += relative * relative;
  }
  return sum;
}

// Least squares with only the terms of `set`, the others 0. Solves the normal equations by
// Gauss-Jordan elimination. Empty if they have no unique solution.
std::optional<Terms> fit(const std::vector<AllReduceTime>& measured, unsigned set) {
  std::vector<std::size_t> in;
  for (std::size_t i = 0; i < kTerms; ++i)
    if (set >> i & 1U) in.push_back(i);
  const std::size_t n = in.size();
  std::array<std::array<double, kTerms + 1>, kTerms> m{};
  for (const AllReduceTime& one : measured) {
    const Terms f = factors(one);
    for (std::size_t row = 0; row < n; ++row) {
      for (std::size_t column = 0; column < n; ++column)
        m[row][column] += f[in[row]] * f[in[column]] / (one.seconds * one.seconds);
      m[row][n] += f[in[row]] / one.seconds;
    }
  }
  for (std::size_t pivot = 0; pivot < n; ++pivot) {
    // The columns have very different scales, so no tolerance applies to the pivot.
    if (!(m[pivot][pivot] > 0)) return std::nullopt;
    for (std::size_t row = 0; row < n; ++row) {
      if (row == pivot) continue;
      const double times = m[row][pivot] / m[pivot][pivot];
      for (std::size_t column = pivot; column <= n; ++column)
        m[row][column] -= times * m[pivot][column];
    }
  }
  Terms out{};
  for (std::size_t i = 0; i < n; ++i) out[in[i]] = m[i][n] / m[i][i];
  return out;
}

}  // namespace

double AllReduceModel::seconds(const AllReduce& what) const {
  return predicted(factors(what), {message_seconds, turn_seconds, byte_seconds, shared_byte_seconds,
                                   uncached_byte_seconds});
}

AllReduceModel fit_all_reduce(const std::vector<AllReduceTime>& measured) {
  if (measured.empty())
    throw std::invalid_argument("a model of the all-reduce needs at least one measurement to fit");
  // Five terms have 31 non-empty subsets. The best fit without a negative term is the constrained
  // optimum.
  Terms best{};
  double least = error(measured, best);
  for (unsigned set = 1; set < 1U << kTerms; ++set) {
    const auto terms = fit(measured, set);
    if (!terms ||
        std::any_of(terms->begin(), terms->end(), [](double term) { return !(term >= 0); }))
      continue;
    const double its = error(measured, *terms);
    if (its < least) best = *terms, least = its;
  }
  return {best[0], best[1], best[2], best[3], best[4]};
}

double all_reduce_seconds(const Interconnect& links, double bytes, int ranks) {
  if (ranks < 2) return 0;
  const int in_node = std::min(ranks, links.node_ranks),
            nodes = (ranks + links.node_ranks - 1) / links.node_ranks;
  double seconds = 0;
  if (in_node > 1)
    seconds += messages(in_node) * 1e-6 * links.node_microseconds +
               2.0 * (in_node - 1) / in_node * bytes / (1e9 * links.node_gbytes_per_second);
  if (nodes > 1)
    seconds += messages(nodes) * 1e-6 * links.network_microseconds +
               2.0 * (nodes - 1) / nodes * bytes / (1e9 * links.network_gbytes_per_second);
  return seconds;
}

}  // namespace vae_dist::bench
