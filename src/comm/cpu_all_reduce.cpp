#include "comm/cpu_all_reduce.hpp"

#include <stdexcept>

#include "base/power_of_two.hpp"
#include "comm/tree_all_reduce.hpp"

namespace vae_dist::comm {

void check_wire(DataType type, SumOrder order, Wire wire) {
  if (wire == Wire::exact) return;
  if (type != DataType::float32)
    throw std::invalid_argument("only fp32 values can be sent as bf16");
  if (order == SumOrder::tree)
    throw std::invalid_argument("tree sums must not be rounded between ranks");
}

void all_reduce_on_cpu(CpuCommunicator& comm, Buffer buffer, SumOrder order, Wire wire,
                       std::vector<std::byte>& scratch) {
  check_wire(buffer.type, order, wire);
  // Both algorithms move the same bytes; the tree needs fewer messages.
  const bool as_tree =
      order == SumOrder::tree || (wire == Wire::exact && base::is_power_of_two(comm.size()));
  if (!as_tree) return pairwise_all_reduce_sum(comm, buffer, wire, scratch);
  const std::int64_t half = (buffer.count + 1) / 2;
  const std::size_t bytes = static_cast<std::size_t>(half) * size_of(buffer.type);
  if (scratch.size() < bytes) scratch.resize(bytes);
  tree_all_reduce_sum(comm, buffer, {scratch.data(), half, buffer.type});
}

}  // namespace vae_dist::comm
