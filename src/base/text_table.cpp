#include "base/text_table.hpp"

#include <algorithm>

namespace vae_dist::base {

std::string format_table(const TableRows& rows) {
  std::size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, name.size());
  std::string out;
  for (const auto& [name, value] : rows)
    out += "  " + name + std::string(width - name.size() + 2, ' ') + value + "\n";
  return out;
}

}  // namespace vae_dist::base
