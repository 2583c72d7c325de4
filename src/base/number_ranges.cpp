#include "base/number_ranges.hpp"

#include <cstdio>
#include <sstream>

#include "base/text.hpp"

namespace vae_dist::base {

std::vector<int> parse_ranges(const std::string& listed) {
  std::vector<int> numbers;
  std::istringstream parts(listed);
  for (std::string part; std::getline(parts, part, ',');) {
    int first = 0, last = 0;
    const int found = std::sscanf(part.c_str(), "%d-%d", &first, &last);
    if (found < 1) continue;
    for (int number = first; number <= (found == 2 ? last : first); ++number)
      numbers.push_back(number);
  }
  return numbers;
}

std::string ranges_text(const std::vector<int>& numbers) {
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    out += text(out.empty() ? "" : ", ", numbers[i]);
    if (end > i + 1) out += text("-", numbers[end - 1]);
    i = end;
  }
  return out;
}

std::string ranks_text(const std::vector<int>& ranks) {
  return text(ranks.size() == 1 ? "rank " : "ranks ", ranges_text(ranks));
}

}  // namespace vae_dist::base
