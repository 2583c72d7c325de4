#include "parallel/replicate.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/agreement.hpp"
#include "comm/thread_communicator.hpp"

namespace vae_dist::parallel {
namespace {

using testing::HasSubstr;
using testing::Not;

// Returns tensors that differ between ranks: a matrix, a convolution's weight as NHWC, a transposed
// view, a count.
std::vector<at::Tensor> tensors_of(int rank) {
  const at::Tensor values = at::arange(24, at::kDouble) + 100 * rank;
  return {values.view({4, 6}).clone(),
          values.view({2, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast),
          values.to(at::kFloat).view({4, 6}).t(), at::scalar_tensor(rank, at::kLong)};
}

TEST(BroadcastTensors, GivesEveryRankTheTensorsOfRankZeroAndKeepsTheirStrides) {
  comm::run_thread_ranks(3, [](comm::CpuCommunicator& comm) {
    const auto expected = tensors_of(0), mine = tensors_of(comm.rank());
    broadcast_tensors(comm, mine);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      EXPECT_TRUE(mine[i].equal(expected[i])) << "tensor " << i << " of rank " << comm.rank();
      EXPECT_EQ(mine[i].strides(), expected[i].strides());
    }
  });
}

TEST(BroadcastTensors, WritesIntoTheParametersThemselves) {
  comm::run_thread_ranks(2, [](comm::CpuCommunicator& comm) {
    at::Tensor parameter = at::full({5}, comm.rank() + 1.0).requires_grad_();
    broadcast_tensors(comm, {parameter});
    EXPECT_TRUE(parameter.equal(at::ones({5})));
    EXPECT_TRUE(parameter.requires_grad());
  });
}

TEST(HashTensors, IsOfTheValuesWhateverTheirStrides) {
  const at::Tensor values = at::arange(24, at::kFloat).view({2, 3, 2, 2});
  const std::uint64_t hash = hash_tensors({values});
  EXPECT_EQ(hash_tensors({values.contiguous(at::MemoryFormat::ChannelsLast)}), hash);
  EXPECT_EQ(hash_tensors({values.permute({3, 2, 1, 0}).contiguous().permute({3, 2, 1, 0})}), hash);
  EXPECT_EQ(hash_tensors({values.clone().requires_grad_()}), hash);
}

TEST(HashTensors, SeesOneBitAndTheOrder) {
  const at::Tensor values = at::arange(24, at::kFloat), other = values.clone();
  other[23] = std::nextafter(23.0F, 24.0F);
  EXPECT_NE(hash_tensors({other}), hash_tensors({values}));
  EXPECT_NE(hash_tensors({values, other}), hash_tensors({other, values}));
}

TEST(RequireEqualTensors, IsQuietWhenAllAreEqual) {
  comm::run_thread_ranks(4, [](comm::CpuCommunicator& comm) {
    EXPECT_NO_THROW(require_equal_tensors(comm, "initial weights", tensors_of(7)));
  });
}

TEST(RequireEqualTensors, NamesTheRankThatDiffersOnEveryRank) {
  comm::run_thread_ranks(4, [](comm::CpuCommunicator& comm) {
    try {
      require_equal_tensors(comm, "initial weights", tensors_of(comm.rank() == 2 ? 1 : 0));
      ADD_FAILURE() << "rank " << comm.rank() << " saw no difference";
    } catch (const comm::AgreedError& error) {
      EXPECT_THAT(error.what(), HasSubstr("initial weights"));
      EXPECT_THAT(error.what(), HasSubstr("rank 2 has "));
      EXPECT_THAT(error.what(), Not(HasSubstr("rank 1")));
      EXPECT_THAT(error.what(), Not(HasSubstr("rank 3")));
    }
  });
}

}  // namespace
}  // namespace vae_dist::parallel
