#include "comm/pairwise_all_reduce.hpp"

#include <stdexcept>

#include "comm/bfloat16.hpp"
#include "comm/tree_all_reduce.hpp"

namespace vae_dist::comm {
namespace {

// Returns the part of the vector that rank `owner` sums.
Buffer part_of(int owner, int ranks, const Buffer& whole) {
  const std::int64_t low = whole.count * owner / ranks, high = whole.count * (owner + 1) / ranks;
  return {static_cast<std::byte*>(whole.data) + static_cast<std::size_t>(low) * size_of(whole.type),
          high - low, whole.type};
}

// Calls visit(peer) for every other rank. In each round the ranks form pairs that both sides know
// (one rank may be left over), so all exchange at the same time and no rank waits in a ring.
template <typename Visit>
void for_each_peer(const CpuCommunicator& comm, Visit visit) {
  for (int round = 0; round < comm.size(); ++round) {
    const int peer = (round - comm.rank() + comm.size()) % comm.size();
    if (peer != comm.rank()) visit(peer);
  }
}

void round_to(Buffer bf16, Buffer fp32) {
  auto* __restrict__ to = static_cast<Bfloat16*>(bf16.data);
  const auto* __restrict__ from = static_cast<const float*>(fp32.data);
  for (std::int64_t i = 0; i < fp32.count; ++i) to[i] = to_bfloat16(from[i]);
}

void widen_to(Buffer fp32, Buffer bf16) {
  auto* __restrict__ to = static_cast<float*>(fp32.data);
  const auto* __restrict__ from = static_cast<const Bfloat16*>(bf16.data);
  for (std::int64_t i = 0; i < fp32.count; ++i) to[i] = to_float(from[i]);
}

void add_widened(Buffer fp32, Buffer bf16) {
  auto* __restrict__ to = static_cast<float*>(fp32.data);
  const auto* __restrict__ from = static_cast<const Bfloat16*>(bf16.data);
  for (std::int64_t i = 0; i < fp32.count; ++i) to[i] += to_float(from[i]);
}

void sum_exactly(CpuCommunicator& comm, Buffer buffer, std::vector<std::byte>& scratch) {
  const Buffer mine = part_of(comm.rank(), comm.size(), buffer);
  if (scratch.size() < mine.bytes()) scratch.resize(mine.bytes());
  const Buffer received = {scratch.data(), mine.count, mine.type};
  for_each_peer(comm, [&](int peer) {
    comm.exchange(peer, part_of(peer, comm.size(), buffer), received);
    add_on_host(mine, received);
  });
  for_each_peer(comm,
                [&](int peer) { comm.exchange(peer, mine, part_of(peer, comm.size(), buffer)); });
}

void sum_rounded(CpuCommunicator& comm, Buffer buffer, std::vector<std::byte>& scratch) {
  const auto ranks = static_cast<std::int64_t>(comm.size());
  const std::int64_t longest = (buffer.count + ranks - 1) / ranks;
  const std::size_t bytes = static_cast<std::size_t>(longest) * size_of(DataType::bfloat16);
  if (scratch.size() < 2 * bytes) scratch.resize(2 * bytes);
  const auto outgoing = [&](std::int64_t count) {
    return Buffer{scratch.data(), count, DataType::bfloat16};
  };
  const auto incoming = [&](std::int64_t count) {
    return Buffer{scratch.data() + bytes, count, DataType::bfloat16};
  };

  const Buffer mine = part_of(comm.rank(), comm.size(), buffer);
  for_each_peer(comm, [&](int peer) {
    const Buffer theirs = part_of(peer, comm.size(), buffer);
    round_to(outgoing(theirs.count), theirs);
    comm.exchange(peer, outgoing(theirs.count), incoming(mine.count));
    add_widened(mine, incoming(mine.count));
  });

  // The owner keeps the same rounded values that the others get.
  round_to(outgoing(mine.count), mine);
  widen_to(mine, outgoing(mine.count));
  for_each_peer(comm, [&](int peer) {
    const Buffer theirs = part_of(peer, comm.size(), buffer);
    comm.exchange(peer, outgoing(mine.count), incoming(theirs.count));
    widen_to(theirs, incoming(theirs.count));
  });
}

}  // namespace

void pairwise_all_reduce_sum(CpuCommunicator& comm, Buffer buffer, Wire wire,
                             std::vector<std::byte>& scratch) {
  if (wire == Wire::exact) return sum_exactly(comm, buffer, scratch);
  if (buffer.type != DataType::float32)
    throw std::invalid_argument("only fp32 values can be sent as bf16");
  if (comm.size() > 1) sum_rounded(comm, buffer, scratch);  // a single rank sends nothing
}

}  // namespace vae_dist::comm
