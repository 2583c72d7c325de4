#include "base/list_of_ten.hpp"

#include "base/text.hpp"

namespace vae_dist::base {

std::string list_of_ten(const std::vector<std::string>& items, const std::string& separator) {
  constexpr std::size_t kShown = 10;
  std::string out;
  for (std::size_t i = 0; i < items.size() && i < kShown; ++i)
    out += (i ? separator : "") + items[i];
  if (items.size() > kShown) out += text(separator, "and ", items.size() - kShown, " more");
  return out;
}

}  // namespace vae_dist::base
