#include "evaluate/coverage.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"

namespace vae_dist::evaluate {
namespace {

// Limits the rows of a block: its float64 values, or its distances to another block, take at most
// 32 MB.
constexpr std::int64_t kBlockValues = std::int64_t{1} << 22;
constexpr std::int64_t kMaxBlock = 2048, kMinBlock = 32;

// Below this fraction of the sum of two squared lengths, a squared distance is only rounding error
// of float32 values: the rows are the same.
constexpr double kRounding = 1e-12;

struct Block {
  std::int64_t first = 0;
  at::Tensor rows;             // [n, D], float64
  at::Tensor squared_lengths;  // [n]
};

std::int64_t block_rows(const at::Tensor& rows) {
  return std::clamp(kBlockValues / std::max<std::int64_t>(rows.size(1), 1), kMinBlock, kMaxBlock);
}

Block block_of(const at::Tensor& all, std::int64_t first) {
  Block block{.first = first,
              .rows = all.slice(0, first, first + block_rows(all)).to(at::kDouble),
              .squared_lengths = {}};
  block.squared_lengths = block.rows.square().sum(1);
  return block;
}

// [a, b]
at::Tensor squared_distances(const Block& a, const Block& b) {
  const at::Tensor lengths = a.squared_lengths.unsqueeze(1) + b.squared_lengths.unsqueeze(0);
  at::Tensor distances = at::addmm(lengths, a.rows, b.rows.t(), 1.0, -2.0);
  return distances.masked_fill_(distances <= kRounding * lengths, 0.0);
}

void check(const char* name, const at::Tensor& rows) {
  if (rows.dim() != 2 || !rows.is_floating_point())
    throw base::BadInput(base::text("coverage: the ", name,
                                    " rows must be a floating point [N, D] tensor, not ",
                                    rows.toString(), " with ", rows.dim(), " axes"));
  if (!rows.isfinite().all().item<bool>())
    throw base::BadInput(base::text("coverage: the ", name,
                                    " rows hold values that are not finite (NaN or infinite)"));
}

}  // namespace

at::Tensor squared_radii(const at::Tensor& rows, std::int64_t k) {
  const at::NoGradGuard no_grad;
  check("real", rows);
  if (k < 1 || rows.size(0) <= k)
    throw base::BadInput(base::text("coverage: ", rows.size(0), " real rows are too few for ", k,
                                    " nearest neighbours each; give at least ", k + 1));
  const std::int64_t step = block_rows(rows);
  at::Tensor radii = at::empty({rows.size(0)}, rows.options().dtype(at::kDouble));
  for (std::int64_t i = 0; i < rows.size(0); i += step) {
    const Block block = block_of(rows, i);
    at::Tensor nearest;  // [n, at most k], of the blocks so far
    for (std::int64_t j = 0; j < rows.size(0); j += step) {
      at::Tensor distances = squared_distances(block, i == j ? block : block_of(rows, j));
      if (i == j)
        distances.fill_diagonal_(
            std::numeric_limits<double>::infinity());  // a row is not its own neighbour
      const at::Tensor some =
          std::get<0>(distances.topk(std::min(k, distances.size(1)), 1, false, false));
      nearest = nearest.defined() ? at::cat({nearest, some}, 1) : some;
      nearest = std::get<0>(nearest.topk(std::min(k, nearest.size(1)), 1, false, false));
    }
    radii.slice(0, i, i + step).copy_(nearest.amax(1));
  }
  return radii;
}

Coverage coverage_of(const at::Tensor& real, const at::Tensor& fake, std::int64_t k) {
  const at::NoGradGuard no_grad;
  check("fake", fake);
  const at::Tensor radii = squared_radii(real, k);
  if (fake.size(1) != real.size(1))
    throw base::BadInput(base::text("coverage: real rows have ", real.size(1),
                                    " values each, but fake rows have ", fake.size(1)));
  if (fake.size(0) == 0) throw base::BadInput("coverage: there are no fake rows");
  std::int64_t inside = 0, covered = 0;
  for (std::int64_t i = 0; i < real.size(0); i += block_rows(real)) {
    const Block block = block_of(real, i);
    const at::Tensor radius = radii.slice(0, i, i + block.rows.size(0)).unsqueeze(1);
    at::Tensor balls = at::zeros({block.rows.size(0)},
                                 radii.options().dtype(at::kLong));  // fake rows in each ball
    for (std::int64_t j = 0; j < fake.size(0); j += block_rows(fake))
      balls += (squared_distances(block, block_of(fake, j)) < radius).sum(1);
    inside += balls.sum().item<std::int64_t>();
    covered += (balls > 0).sum().item<std::int64_t>();
  }
  return {.density = static_cast<double>(inside) /
                     (static_cast<double>(k) * static_cast<double>(fake.size(0))),
          .coverage = static_cast<double>(covered) / static_cast<double>(real.size(0))};
}

}  // namespace vae_dist::evaluate
