#include "comm/tree_all_reduce.hpp"

#include <stdexcept>
#include <vector>

#include "base/power_of_two.hpp"

namespace vae_dist::comm {
namespace {

// Elements [low, high).
struct Range {
  std::int64_t low, high;
  std::int64_t count() const { return high - low; }
};

Buffer part(const Buffer& whole, Range range) {
  return {static_cast<std::byte*>(whole.data) +
              static_cast<std::size_t>(range.low) * size_of(whole.type),
          range.count(), whole.type};
}

template <typename T>
void add_values(const Buffer& into, const Buffer& from) {
  T* __restrict__ to = static_cast<T*>(into.data);
  const T* __restrict__ values = static_cast<const T*>(from.data);
  for (std::int64_t i = 0; i < into.count; ++i) to[i] = static_cast<T>(to[i] + values[i]);
}

}  // namespace

void add_on_host(Buffer into, Buffer from) {
  switch (into.type) {
    case DataType::float32:
      return add_values<float>(into, from);
    case DataType::float64:
      return add_values<double>(into, from);
    case DataType::int64:
      return add_values<std::int64_t>(into, from);
    case DataType::uint8:
      return add_values<std::uint8_t>(into, from);
    case DataType::bfloat16:
      throw std::invalid_argument("bfloat16 values cannot be summed on the host");
  }
}

void tree_all_reduce_sum(Communicator& comm, Buffer buffer, Buffer scratch, const AddBuffers& add) {
  const int ranks = comm.size(), rank = comm.rank();
  if (!base::is_power_of_two(ranks))
    throw std::logic_error("the tree sum needs a power-of-two number of ranks");

  // Halve: after each level the rank keeps the half on its side of the split, summed over twice as
  // many ranks.
  std::vector<Range> kept = {{0, buffer.count}};
  for (int distance = 1; distance < ranks; distance *= 2) {
    const Range range = kept.back();
    const std::int64_t middle = range.low + range.count() / 2;
    const Range lower = {range.low, middle}, upper = {middle, range.high};
    const bool keeps_lower = (rank & distance) == 0;
    const Range mine = keeps_lower ? lower : upper, theirs = keeps_lower ? upper : lower;
    const Buffer received = {scratch.data, mine.count(), buffer.type};
    comm.exchange(rank ^ distance, part(buffer, theirs), received);
    add(part(buffer, mine), received);
    kept.push_back(mine);
  }

  // Gather: the same partners, in reverse order, return the other half of each range.
  for (int distance = ranks / 2; distance >= 1; distance /= 2) {
    const Range mine = kept.back();
    kept.pop_back();
    const Range range = kept.back();
    const Range theirs =
        mine.low == range.low ? Range{mine.high, range.high} : Range{range.low, mine.low};
    comm.exchange(rank ^ distance, part(buffer, mine), part(buffer, theirs));
  }
}

}  // namespace vae_dist::comm
