#include "data/random_crop.hpp"

#include "base/keyed_random.hpp"

namespace vae_dist::data {

arrays::SpaceWindow random_window(const std::vector<std::int64_t>& space,
                                  const std::vector<std::int64_t>& size, std::uint64_t seed,
                                  std::int64_t epoch, std::int64_t sample) {
  const base::PhiloxCounter words = base::random_block(
      base::random_key(seed, base::Purpose::crop, static_cast<std::uint64_t>(epoch)),
      static_cast<std::uint64_t>(sample), 0, 0);
  arrays::SpaceWindow window{{}, size};
  for (std::size_t axis = 0; axis < size.size(); ++axis) {
    // The upper half of a product maps 32 random bits to the places (Lemire 2019, "Fast Random
    // Integer Generation in an Interval"); no place is likelier than another by more than 2^-32.
    const auto places = static_cast<std::uint64_t>(space[axis] - size[axis] + 1);
    window.first.push_back(static_cast<std::int64_t>((words[axis] * places) >> 32));
  }
  return window;
}

arrays::SpaceWindow middle_window(const std::vector<std::int64_t>& space,
                                  const std::vector<std::int64_t>& size) {
  arrays::SpaceWindow window{{}, size};
  for (std::size_t axis = 0; axis < size.size(); ++axis)
    window.first.push_back((space[axis] - size[axis]) / 2);
  return window;
}

}  // namespace vae_dist::data
