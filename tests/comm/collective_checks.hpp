// Checks of what every communicator guarantees, whatever carries its messages. All ranks call each
// check, which compares the result with a plain sum or copy computed on this rank.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/power_of_two.hpp"
#include "comm/communicator.hpp"
#include "comm/cpu_all_reduce.hpp"
#include "comm/node_sum.hpp"
#include "comm/tree_all_reduce.hpp"

namespace vae_dist::comm {

template <typename T>
constexpr DataType data_type_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return DataType::uint8;
  if constexpr (std::is_same_v<T, std::int64_t>) return DataType::int64;
  if constexpr (std::is_same_v<T, float>) return DataType::float32;
  if constexpr (std::is_same_v<T, double>) return DataType::float64;
}

template <typename T>
Buffer buffer_of(std::vector<T>& values) {
  return {values.data(), static_cast<std::int64_t>(values.size()), data_type_of<T>()};
}

/// Returns small whole numbers that differ by rank and position. Their sums over eight ranks are
/// exact in every type.
template <typename T>
std::vector<T> values_of_rank(int rank, std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>((i * 7 + static_cast<std::size_t>(rank) * 11) % 31);
  return values;
}

template <typename T>
std::vector<T> straight_sum(int ranks, std::size_t count) {
  std::vector<T> sum(count, T{});
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<T> part = values_of_rank<T>(rank, count);
    for (std::size_t i = 0; i < count; ++i) sum[i] = static_cast<T>(sum[i] + part[i]);
  }
  return sum;
}

/// Lengths that are zero, shorter and longer than the number of ranks, odd, and long enough for
/// MPI's other algorithms.
inline const std::vector<std::size_t> kLengths = {0, 1, 5, 64, 40'001};

template <typename T>
void check_collectives_of_type(Communicator& comm) {
  const int ranks = comm.size();
  for (const std::size_t count : kLengths) {
    for (int root = 0; root < ranks; ++root) {
      std::vector<T> values = values_of_rank<T>(comm.rank(), count);
      comm.broadcast(buffer_of(values), root);
      EXPECT_TRUE(values == values_of_rank<T>(root, count))
          << "broadcast of " << count << " from " << root << " of " << ranks;
    }

    std::vector<T> sum = values_of_rank<T>(comm.rank(), count);
    comm.all_reduce_sum(buffer_of(sum));
    EXPECT_TRUE(sum == straight_sum<T>(ranks, count))
        << "all-reduce of " << count << " on " << ranks << " ranks";

    std::vector<T> part = values_of_rank<T>(comm.rank(), count),
                   all(count * static_cast<std::size_t>(ranks)), expected;
    comm.all_gather(buffer_of(part), buffer_of(all));
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<T> theirs = values_of_rank<T>(rank, count);
      expected.insert(expected.end(), theirs.begin(), theirs.end());
    }
    EXPECT_TRUE(all == expected) << "all-gather of " << count << " on " << ranks << " ranks";
  }
}

inline void check_collectives(Communicator& comm) {
  check_collectives_of_type<std::uint8_t>(comm);
  check_collectives_of_type<std::int64_t>(comm);
  check_collectives_of_type<float>(comm);
  check_collectives_of_type<double>(comm);
}

/// Checks that pairs of any distance exchange buffers of different lengths.
inline void check_exchanges(Communicator& comm) {
  for (int distance = 1; distance < comm.size(); ++distance) {
    const int peer = comm.rank() ^ distance;
    if (peer >= comm.size()) continue;
    for (const std::size_t count : kLengths) {
      const auto length_of = [&](int rank) { return count + static_cast<std::size_t>(rank); };
      std::vector<double> mine = values_of_rank<double>(comm.rank(), length_of(comm.rank())),
                          theirs(length_of(peer));
      comm.exchange(peer, buffer_of(mine), buffer_of(theirs));
      EXPECT_TRUE(theirs == values_of_rank<double>(peer, length_of(peer)))
          << "from " << peer << " of " << comm.size();
    }
  }
}

inline void check_duplicates(CpuCommunicator& comm) {
  const auto other = comm.duplicate();
  check_collectives_of_type<double>(*other);
  check_exchanges(*other);
}

/// Checks that the bits of the tree sum are those of its definition if the number of ranks is a
/// power of two, and that it is refused otherwise.
inline void check_tree(Communicator& comm) {
  if (!base::is_power_of_two(comm.size())) {
    std::vector<float> sum(8), scratch(8);
    EXPECT_THROW(tree_all_reduce_sum(comm, buffer_of(sum), buffer_of(scratch)), std::logic_error);
    return;
  }
  for (const std::size_t count : kLengths) {
    const auto value = [](int rank, std::size_t i) {
      return std::sin(static_cast<float>(i) + static_cast<float>(rank)) *
             std::pow(10.0f, static_cast<float>(rank % 4));
    };
    const std::function<float(int, int, std::size_t)> tree = [&](int first, int ranks,
                                                                 std::size_t i) {
      return ranks == 1 ? value(first, i)
                        : tree(first, ranks / 2, i) + tree(first + ranks / 2, ranks / 2, i);
    };
    std::vector<float> sum(count), scratch(count / 2 + 1);
    for (std::size_t i = 0; i < count; ++i) sum[i] = value(comm.rank(), i);
    tree_all_reduce_sum(comm, buffer_of(sum), buffer_of(scratch));
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(sum[i], tree(0, comm.size(), i)) << "element " << i << " of " << count;
  }
}

struct HostSum {
  const char* name;
  SumOrder order;
  Wire wire;
};

/// Returns the ways in which `ranks` ranks can sum fp32 on the host.
inline std::vector<HostSum> host_sums(int ranks) {
  std::vector<HostSum> ways = {{"fast", SumOrder::fast, Wire::exact},
                               {"bf16", SumOrder::fast, Wire::bf16}};
  if (base::is_power_of_two(ranks)) ways.push_back({"tree", SumOrder::tree, Wire::exact});
  return ways;
}

template <typename T>
void check_host_sums_of_type(CpuCommunicator& comm) {
  std::vector<std::byte> scratch;
  for (const HostSum& way : host_sums(comm.size())) {
    if (way.wire == Wire::bf16 && data_type_of<T>() != DataType::float32) continue;
    for (const std::size_t count : kLengths) {
      // The sums are at most 8 * 30; bfloat16 represents whole numbers up to 256 exactly.
      std::vector<T> sum = values_of_rank<T>(comm.rank(), count);
      all_reduce_on_cpu(comm, buffer_of(sum), way.order, way.wire, scratch);
      EXPECT_TRUE(sum == straight_sum<T>(comm.size(), count))
          << way.name << " sum of " << count << " on " << comm.size() << " ranks";
    }
  }
}

inline void check_host_sums(CpuCommunicator& comm) {
  check_host_sums_of_type<std::uint8_t>(comm);
  check_host_sums_of_type<std::int64_t>(comm);
  check_host_sums_of_type<float>(comm);
  check_host_sums_of_type<double>(comm);
}

/// Returns normally distributed numbers that differ between ranks.
inline std::vector<float> noise_of_rank(int rank, std::size_t count) {
  std::mt19937 generator(static_cast<std::uint32_t>(rank) + 1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

inline void check_host_sums_have_one_result(CpuCommunicator& comm) {
  std::vector<std::byte> scratch;
  for (const HostSum& way : host_sums(comm.size())) {
    const auto sum = [&] {
      std::vector<float> values = noise_of_rank(comm.rank(), 1001);
      all_reduce_on_cpu(comm, buffer_of(values), way.order, way.wire, scratch);
      return values;
    };
    std::vector<float> mine = sum(), of_all(mine.size() * static_cast<std::size_t>(comm.size()));
    comm.all_gather(buffer_of(mine), buffer_of(of_all));
    for (int rank = 0; rank < comm.size(); ++rank)
      EXPECT_TRUE(std::equal(mine.begin(), mine.end(),
                             of_all.begin() + rank * static_cast<std::ptrdiff_t>(mine.size())))
          << way.name << ", rank " << rank;
    EXPECT_TRUE(sum() == mine) << way.name;
  }
}

/// Checks sums in memory that the ranks share: of vectors that lie there, at its begin and behind
/// others, and of vectors elsewhere, which are longer than what is copied at once.
template <typename T>
void check_node_sums_of_type(CpuCommunicator& comm) {
  constexpr std::size_t kBehind = 7;  // elements
  NodeSum node(comm, (kBehind + kLengths.back() + 1) * sizeof(T));
  auto* const own = reinterpret_cast<T*>(node.data());
  for (const std::size_t count : kLengths) {
    const std::vector<T> values = values_of_rank<T>(comm.rank(), count),
                         expected = straight_sum<T>(comm.size(), count);
    for (const std::size_t begin : {std::size_t{0}, kBehind}) {
      own[begin + count] = T{5};  // one element behind it belongs to another vector
      std::copy(values.begin(), values.end(), own + begin);
      node.sum({own + begin, static_cast<std::int64_t>(count), data_type_of<T>()});
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), own + begin))
          << count << " from " << begin << " on " << comm.size() << " ranks";
      EXPECT_EQ(own[begin + count], T{5}) << count << " from " << begin;
    }
    std::vector<T> elsewhere = values;
    node.sum(buffer_of(elsewhere));
    EXPECT_TRUE(elsewhere == expected) << count << " elsewhere on " << comm.size() << " ranks";
  }
}

inline void check_node_sums(CpuCommunicator& comm) {
  check_node_sums_of_type<std::uint8_t>(comm);
  check_node_sums_of_type<std::int64_t>(comm);
  check_node_sums_of_type<float>(comm);
  check_node_sums_of_type<double>(comm);
}

/// Checks that the sum in shared memory has the bits of its tree on every rank: with a power of two
/// of ranks those of tree_all_reduce_sum().
inline void check_node_sum_bits(CpuCommunicator& comm) {
  constexpr std::size_t kCount = 40'001;
  NodeSum node(comm, kCount * sizeof(float));
  const std::function<float(int, int, std::size_t)> tree = [&](int first, int ranks,
                                                               std::size_t i) -> float {
    if (ranks == 1)
      return std::sin(static_cast<float>(i) + static_cast<float>(first)) *
             std::pow(10.0f, static_cast<float>(first % 4));
    int left = 1;
    while (2 * left < ranks) left *= 2;
    return tree(first, left, i) + tree(first + left, ranks - left, i);
  };
  auto* const own = reinterpret_cast<float*>(node.data());
  for (std::size_t i = 0; i < kCount; ++i) own[i] = tree(comm.rank(), 1, i);
  std::vector<float> sent(own, own + kCount), scratch(kCount / 2 + 1);
  node.sum({own, kCount, DataType::float32});
  for (std::size_t i = 0; i < kCount; ++i)
    ASSERT_EQ(own[i], tree(0, comm.size(), i)) << "element " << i << ", rank " << comm.rank();
  if (!base::is_power_of_two(comm.size())) return;
  tree_all_reduce_sum(comm, buffer_of(sent), buffer_of(scratch));
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), own));
}

/// Checks the error of a sum that was sent as bfloat16 against the sum in fp64: each element within
/// its bound, and all elements together.
inline void check_bf16_error(CpuCommunicator& comm) {
  constexpr std::size_t kCount = 100'003;
  constexpr double kHalfStep = 1.0 / 256;
  std::vector<double> expected(kCount), magnitudes(kCount);
  for (int rank = 0; rank < comm.size(); ++rank) {
    const std::vector<float> values = noise_of_rank(rank, kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      expected[i] += static_cast<double>(values[i]);
      magnitudes[i] += std::abs(static_cast<double>(values[i]));
    }
  }
  std::vector<float> sum = noise_of_rank(comm.rank(), kCount);
  std::vector<std::byte> scratch;
  all_reduce_on_cpu(comm, buffer_of(sum), SumOrder::fast, Wire::bf16, scratch);

  double largest = 0, largest_error = 0, squares = 0, squared_errors = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double error = std::abs(static_cast<double>(sum[i]) - expected[i]);
    // The second term allows for the rounding of fp32 itself.
    ASSERT_LE(error,
              1.001 * kHalfStep * (magnitudes[i] + std::abs(expected[i])) + 1e-6 * magnitudes[i])
        << "element " << i;
    largest = std::max(largest, std::abs(expected[i]));
    largest_error = std::max(largest_error, error);
    squares += expected[i] * expected[i];
    squared_errors += error * error;
  }
  if (comm.size() == 1) return;
  // Measured with 2 to 8 ranks: 0.0030 to 0.0043 of the largest element, and a norm of 0.0020 (2
  // ranks) to 0.0023 (8 ranks) of the sum's. The lower bound shows that values were rounded at all.
  const double of_largest = largest_error / largest, of_norm = std::sqrt(squared_errors / squares);
  EXPECT_LT(of_largest, 0.006) << comm.size() << " ranks";
  EXPECT_LT(of_norm, 0.003) << comm.size() << " ranks";
  EXPECT_GT(of_norm, 0.001) << comm.size() << " ranks";
}

/// Checks sums that depend on the order of addition: any order is allowed, but it must be the same
/// on all ranks.
inline void check_same_bits_on_every_rank(Communicator& comm) {
  std::vector<float> sum(1001);
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] = std::sin(static_cast<float>(i) + 0.1f) *
             std::pow(10.0f, static_cast<float>((comm.rank() * 3 + static_cast<int>(i)) % 7));
  comm.all_reduce_sum(buffer_of(sum));
  std::vector<float> of_all(sum.size() * static_cast<std::size_t>(comm.size()));
  comm.all_gather(buffer_of(sum), buffer_of(of_all));
  for (int rank = 0; rank < comm.size(); ++rank)
    EXPECT_EQ(std::memcmp(of_all.data() + static_cast<std::size_t>(rank) * sum.size(), sum.data(),
                          sum.size() * sizeof(float)),
              0)
        << "rank " << rank;
}

/// Checks several sums in progress at once, with other collectives between start and end.
inline void check_started_sums(CpuCommunicator& comm) {
  std::vector<std::int64_t> first = values_of_rank<std::int64_t>(comm.rank(), 3);
  std::vector<double> second = values_of_rank<double>(comm.rank(), 2);
  const auto first_sum = comm.start_all_reduce_sum(buffer_of(first));
  const auto second_sum = comm.start_all_reduce_sum(buffer_of(second));
  std::vector<std::int64_t> between = values_of_rank<std::int64_t>(comm.rank(), 4);
  comm.all_reduce_sum(buffer_of(between));
  first_sum->wait();
  EXPECT_EQ(first, straight_sum<std::int64_t>(comm.size(), 3));
  second_sum->wait();
  EXPECT_EQ(second, straight_sum<double>(comm.size(), 2));
  EXPECT_EQ(between, straight_sum<std::int64_t>(comm.size(), 4));
}

/// Returns the text of a rank. It has r * r bytes, so that of rank 0 is empty, and contains line
/// ends and zero bytes.
inline std::string text_of_rank(int rank) {
  std::string text;
  for (int i = 0; i < rank * rank; ++i) text.push_back("a\n\0z"[(i + rank) % 4]);
  return text;
}

inline void check_texts(CpuCommunicator& comm) {
  std::vector<std::string> expected;
  for (int rank = 0; rank < comm.size(); ++rank) expected.push_back(text_of_rank(rank));
  EXPECT_EQ(all_gather_text(comm, text_of_rank(comm.rank())), expected);
  EXPECT_EQ(all_gather_text(comm, ""),
            std::vector<std::string>(static_cast<std::size_t>(comm.size())));
  for (int root = 0; root < comm.size(); ++root)
    EXPECT_EQ(broadcast_text(comm, text_of_rank(comm.rank()), root), text_of_rank(root))
        << "from " << root;
}

}  // namespace vae_dist::comm
