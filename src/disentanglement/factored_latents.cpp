#include "disentanglement/factored_latents.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace vae_dist::disentanglement {

bool is_ordered_factor(const std::string& name) {
  constexpr std::array kUnordered = {"shape", "category", "class", "label"};
  return std::none_of(kUnordered.begin(), kUnordered.end(),
                      [&](const char* word) { return name.ends_with(word); });
}

FactoredLatents::Factor FactoredLatents::factor_of(const at::Tensor& column,
                                                   const std::string& name, bool ordered) {
  const std::int64_t* stored = column.data_ptr<std::int64_t>();
  const auto rows = static_cast<std::size_t>(column.size(0));
  std::vector<std::int64_t> numbers(stored, stored + rows);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());

  Factor factor{.name = name,
                .ordered = ordered,
                .classes = at::empty_like(column),
                .values = column.to(at::kDouble),
                .rows_of_class = std::vector<std::vector<std::int64_t>>(numbers.size()),
                .rows_with_class_peers = {}};
  std::int64_t* classes = factor.classes.data_ptr<std::int64_t>();
  for (std::size_t row = 0; row < rows; ++row) {
    const auto index = static_cast<std::size_t>(
        std::lower_bound(numbers.begin(), numbers.end(), stored[row]) - numbers.begin());
    classes[row] = static_cast<std::int64_t>(index);
    factor.rows_of_class[index].push_back(static_cast<std::int64_t>(row));
  }
  for (std::size_t row = 0; row < rows; ++row)
    if (factor.rows_of_class[static_cast<std::size_t>(classes[row])].size() > 1)
      factor.rows_with_class_peers.push_back(static_cast<std::int64_t>(row));
  return factor;
}

FactoredLatents::FactoredLatents(const at::Tensor& mu, const at::Tensor& classes,
                                 const std::vector<std::string>& names,
                                 const std::vector<bool>& ordered) {
  const auto refuse = [](const auto&... parts) {
    throw base::BadInput(base::text("disentanglement scores: ", parts...));
  };
  if (mu.dim() != 2 || !mu.is_floating_point() || mu.size(1) == 0)
    refuse("latent means must be a floating point [N, L] tensor");
  if (classes.dim() != 2 || classes.scalar_type() != at::kLong)
    refuse("factor classes must be an int64 [N, F] tensor");
  if (classes.size(0) != mu.size(0))
    refuse("the latent means have ", mu.size(0), " rows, but the factor classes have ",
           classes.size(0));
  const auto count = static_cast<std::size_t>(classes.size(1));
  if (names.size() != count || ordered.size() != count)
    refuse("there are ", count, " factors, but ", names.size(), " names and ", ordered.size(),
           " order flags");
  mu_ = mu.detach().to(at::kCPU, at::kDouble).contiguous();
  if (!mu_.isfinite().all().item<bool>())
    refuse("latent means hold values that are not finite (NaN or infinite)");

  const at::Tensor columns = classes.cpu().t().contiguous();
  for (std::size_t f = 0; f < count; ++f) {
    Factor factor = factor_of(columns[static_cast<std::int64_t>(f)], names[f], ordered[f]);
    if (factor.rows_of_class.size() < 2) continue;
    if (factor.rows_with_class_peers.empty())
      refuse("no two of the ", mu.size(0), " rows share a class of the factor '", names[f],
             "', so it cannot be held fixed; leave the factor out or use more rows");
    factors_.push_back(std::move(factor));
  }
  if (factors_.empty()) refuse("no factor varies over the ", mu.size(0), " rows");
}

}  // namespace vae_dist::disentanglement
