#include "config/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace vae_dist::config {
namespace {

std::string_view last_component(std::string_view name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

std::size_t edit_distance(std::string_view one, std::string_view other) {
  // Row by row: distances[j] is the distance between one's first i characters and other's first j.
  std::vector<std::size_t> distances(other.size() + 1);
  std::iota(distances.begin(), distances.end(), 0);
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = std::exchange(distances[0], i + 1);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t replaced = diagonal + (one[i] != other[j]);
      diagonal = distances[j + 1];
      distances[j + 1] = std::min({replaced, distances[j] + 1, diagonal + 1});
    }
  }
  return distances.back();
}

std::string nearest_name(const std::string& unknown, const std::vector<std::string>& known) {
  std::string nearest;
  std::pair<std::size_t, std::size_t> least;
  for (const std::string& name : known) {
    const std::size_t whole = edit_distance(unknown, name);
    // A correct last word in the wrong section counts as one mistake.
    const std::size_t last = edit_distance(last_component(unknown), last_component(name)) + 1;
    const std::pair distance{std::min(whole, last), whole};
    if (nearest.empty() || distance < least) {
      nearest = name;
      least = distance;
    }
  }
  // A guess that differs by more than a third of the last word would mislead.
  const std::size_t bound = std::max<std::size_t>(2, last_component(unknown).size() / 3);
  return least.first <= bound ? nearest : "";
}

}  // namespace vae_dist::config
