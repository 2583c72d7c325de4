// Checks how NcclCommunicator uses NCCL. fake_nccl.hpp replaces NCCL here; tests/gpu uses the real
// library.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/error.hpp"
#include "comm/nccl_communicator.hpp"
#include "fake_nccl.hpp"

namespace vae_dist::comm {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class NcclCallsTest : public testing::Test {
 protected:
  void SetUp() override { nccl().reset(); }

  // Lets a thread that hangs in abort() end before the next test.
  void TearDown() override { nccl().abort_hangs = false; }

  static FakeNccl& nccl() { return FakeNccl::instance(); }

  std::unique_ptr<NcclCommunicator> make(NcclCalls calls = NcclCalls::polled) {
    return make_nccl_communicator(*all_ranks_, nullptr, deadlines_, calls);
  }

  // Returns all calls that queue a kernel.
  std::vector<std::function<void(Communicator&)>> issues() {
    return {[this](Communicator& comm) { comm.broadcast(buffer_, 0); },
            [this](Communicator& comm) { comm.all_reduce_sum(buffer_); },
            [this](Communicator& comm) { comm.all_gather(buffer_, buffer_); },
            [this](Communicator& comm) { comm.exchange(1, buffer_, buffer_); }};
  }

  template <typename Thrown>
  static std::string thrown_by(const std::function<void()>& action, base::ExitCode code) {
    try {
      action();
    } catch (const Thrown& error) {
      EXPECT_EQ(error.code(), code);
      return error.what();
    }
    ADD_FAILURE() << "no exception was thrown";
    return "";
  }

  std::unique_ptr<CpuCommunicator> all_ranks_ = make_self_communicator();
  NcclDeadlines deadlines_{base::Seconds(60), base::Seconds(60)};
  std::array<float, 6> values_{};
  Buffer buffer_{values_.data(), 6, DataType::float32};
};

TEST_F(NcclCallsTest, ReturnWhenTheKernelIsInTheStream) {
  nccl().polls_in_progress = 7;
  const auto comm = make();
  EXPECT_EQ(nccl().blocking, 0);
  for (const auto& issue : issues()) {
    nccl().polls = 0;
    nccl().is_in_stream = false;
    issue(*comm);
    EXPECT_TRUE(nccl().is_in_stream);
    EXPECT_EQ(nccl().polls, 8);
  }
}

TEST_F(NcclCallsTest, AreNotPolledOnABlockingCommunicator) {
  {
    const auto comm = make(NcclCalls::blocking);
    for (const auto& issue : issues()) issue(*comm);
  }
  EXPECT_EQ(nccl().blocking, 1);
  EXPECT_EQ(nccl().polls, 0);
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "broadcast", "all-reduce", "all-gather", "group",
                                          "send", "receive", "end", "finalize", "destroy"));
}

TEST_F(NcclCallsTest, OfEmptyBuffersAreLeftOut) {
  const auto comm = make();
  const Buffer empty{nullptr, 0, DataType::float32};
  comm->all_reduce_sum(empty);
  comm->broadcast(empty, 0);
  comm->all_gather(empty, empty);
  comm->exchange(1, empty, empty);
  EXPECT_THAT(nccl().calls(), ElementsAre("start"));
  comm->exchange(1, buffer_, empty);
  comm->exchange(1, empty, buffer_);
  EXPECT_THAT(nccl().calls(),
              ElementsAre("start", "group", "send", "end", "group", "receive", "end"));
}

TEST_F(NcclCallsTest, ThatDoNotGetUnderWayTimeOutByName) {
  deadlines_.issue = base::Seconds(0.1);
  const auto comm = make();
  comm->all_reduce_sum(buffer_);
  nccl().polls_in_progress = -1;
  const std::string told =
      thrown_by<base::Error>([&] { comm->all_reduce_sum(buffer_); }, base::ExitCode::timed_out);
  EXPECT_THAT(told, AllOf(HasSubstr("ncclAllReduce of 24 bytes"), HasSubstr("within 0.1 s"),
                          HasSubstr("distributed.timeout_s")));
}

// The first call of a kind and size connects the ranks, and one rank may be late.
TEST_F(NcclCallsTest, OfANewKindOrSizeMayTakeAsLongAsRanksNeedToMeet) {
  deadlines_.issue = base::Seconds(0.05);
  const auto comm = make();
  const auto meet_a_late_rank = [&](const Buffer& buffer) {
    nccl().polls_in_progress = -1;
    std::thread late([] {
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      nccl().polls_in_progress = 0;
    });
    EXPECT_NO_THROW(comm->all_reduce_sum(buffer));
    late.join();
  };
  meet_a_late_rank(buffer_);
  meet_a_late_rank({values_.data(), 5, DataType::float32});
  nccl().polls_in_progress = -1;  // and now nobody comes
  EXPECT_THROW(comm->all_reduce_sum(buffer_), base::Error);
}

TEST_F(NcclCallsTest, ThatFailNameThemselvesAndNcclsReason) {
  const auto comm = make();
  nccl().call_result = ncclSystemError;
  EXPECT_THAT(
      thrown_by<base::Failure>([&] { comm->broadcast(buffer_, 0); }, base::ExitCode::rank_failed),
      AllOf(HasSubstr("ncclBroadcast failed"), HasSubstr("socket closed by remote peer")));
  // A poll finds a failure that occurs later.
  nccl().call_result = ncclSuccess;
  nccl().poll_result = ncclRemoteError;
  nccl().polls_in_progress = 2;
  EXPECT_THAT(thrown_by<base::Failure>([&] { comm->all_gather(buffer_, buffer_); },
                                       base::ExitCode::rank_failed),
              HasSubstr("ncclAllGather failed"));
}

TEST_F(NcclCallsTest, LeaveNoGroupOpenWhenTheyFail) {
  const auto comm = make();
  nccl().call_result = ncclSystemError;
  EXPECT_THROW(comm->exchange(1, buffer_, buffer_), base::Failure);
  EXPECT_EQ(nccl().open_groups, 0);
}

TEST_F(NcclCallsTest, EndInGoodOrder) {
  nccl().polls_in_progress = 3;
  make();
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "finalize", "destroy"));
  EXPECT_TRUE(nccl().is_in_stream) << "destroyed before it was finalized";
}

TEST_F(NcclCallsTest, AreAbortedAfterAnError) {
  try {
    const auto comm = make();
    throw std::runtime_error("out of memory");
  } catch (const std::runtime_error&) {
  }
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "abort"));

  // The communicator is also aborted if the caller has caught the error.
  nccl().reset();
  {
    const auto comm = make();
    nccl().poll_result = ncclRemoteError;
    EXPECT_THROW(comm->all_reduce_sum(buffer_), base::Failure);
  }
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "all-reduce", "abort"));
}

TEST_F(NcclCallsTest, AreAbortedWhenTheyDoNotEnd) {
  for (const bool at_once : {true, false}) {
    nccl().reset();
    {
      const auto comm = make();
      (at_once ? nccl().finalize_result : nccl().poll_result) = ncclSystemError;
    }
    EXPECT_THAT(nccl().calls(), ElementsAre("start", "finalize", "abort"));
  }
  nccl().reset();
  deadlines_.meeting = base::Seconds(0.1);
  {
    const auto comm = make();
    nccl().polls_in_progress = -1;
  }
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "finalize", "abort"));
}

TEST_F(NcclCallsTest, AreAbortedWhenTheyDoNotBegin) {
  deadlines_.meeting = base::Seconds(0.1);
  nccl().polls_in_progress = -1;
  EXPECT_THAT(thrown_by<base::Error>([&] { make(); }, base::ExitCode::timed_out),
              HasSubstr("ncclCommInitRankConfig"));
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "abort"));

  nccl().reset();
  nccl().start_result = ncclInvalidUsage;
  EXPECT_THAT(thrown_by<base::Failure>([&] { make(); }, base::ExitCode::rank_failed),
              HasSubstr("ncclCommInitRankConfig failed"));
  EXPECT_THAT(nccl().calls(), ElementsAre("start")) << "there is nothing to abort";
}

TEST_F(NcclCallsTest, ThatAreUnderWayEndWhenTheCommunicatorIsAborted) {
  for (const NcclCalls calls : {NcclCalls::polled, NcclCalls::blocking}) {
    nccl().reset();
    const auto comm = make(calls);
    nccl().polls_in_progress = -1;
    std::thread aborting([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      comm->abort();
    });
    const auto until_it_ends = [&] {
      while (true) comm->all_reduce_sum(buffer_);
    };
    EXPECT_THAT(thrown_by<base::Failure>(until_it_ends, base::ExitCode::rank_failed),
                HasSubstr("aborted"));
    aborting.join();
    EXPECT_THAT(nccl().calls(), Contains("abort"));
  }
}

TEST_F(NcclCallsTest, AreAbortedOnceAndNeverUsedAgain) {
  {
    const auto comm = make();
    comm->abort();
    comm->abort();
    for (const auto& issue : issues()) EXPECT_THROW(issue(*comm), base::Failure);
  }
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "abort"));
}

// The abort may take 3 s at most. Here it is enough that it returns although NCCL does not.
TEST_F(NcclCallsTest, AreLeftToThemselvesWhenNcclDoesNotAbort) {
  nccl().abort_hangs = true;
  const base::Stopwatch watch;
  {
    const auto comm = make();
    comm->abort();
  }
  EXPECT_GE(watch.elapsed().count(), 3.0);
  EXPECT_TRUE(nccl().abort_hangs);
}

TEST_F(NcclCallsTest, OfAllCommunicatorsEndWithTheProcess) {
  const auto one = make(), other = make();
  {
    make();
  }
  abort_nccl_communicators();
  EXPECT_THROW(one->all_reduce_sum(buffer_), base::Failure);
  EXPECT_THROW(other->all_reduce_sum(buffer_), base::Failure);
  EXPECT_THAT(nccl().calls(),
              ElementsAre("start", "start", "start", "finalize", "destroy", "abort", "abort"));
  abort_nccl_communicators();
  EXPECT_EQ(nccl().calls().size(), 7u);
}

TEST_F(NcclCallsTest, OfAllCommunicatorsAreLeftToThemselvesTogether) {
  const auto one = make(), other = make();
  nccl().abort_hangs = true;
  abort_nccl_communicators();
  EXPECT_TRUE(nccl().abort_hangs);
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "start", "abort", "abort"));
}

// The host waits for an event and calls nothing.
TEST_F(NcclCallsTest, ThatFailBetweenTwoCallsAreFoundByAsking) {
  EXPECT_EQ(nccl_failure(), std::nullopt);
  const auto one = make(), other = make(NcclCalls::blocking);
  one->all_reduce_sum(buffer_);
  EXPECT_EQ(nccl_failure(), std::nullopt);
  nccl().polls_in_progress = -1;
  EXPECT_EQ(nccl_failure(), std::nullopt) << "a call in progress is not an error";
  nccl().polls_in_progress = 0;
  nccl().poll_result = ncclRemoteError;
  ASSERT_TRUE(nccl_failure());
  EXPECT_THAT(*nccl_failure(), HasSubstr("socket closed by remote peer"));
  one->abort();
  EXPECT_TRUE(nccl_failure()) << "the other one is not aborted";
  other->abort();
  const int polls = nccl().polls;
  EXPECT_EQ(nccl_failure(), std::nullopt);
  EXPECT_EQ(nccl().polls, polls) << "one that is aborted may be freed, and is not asked";
}

TEST_F(NcclCallsTest, AreNotAskedForFailuresBeforeTheyHaveBegunAndAfterTheyEnd) {
  nccl().call_hangs = true;
  std::thread starting([this] { make(NcclCalls::blocking); });
  while (nccl().calls().empty()) std::this_thread::yield();
  nccl().poll_result = ncclRemoteError;
  EXPECT_EQ(nccl_failure(), std::nullopt);
  EXPECT_EQ(nccl().polls, 0) << "NCCL may still write the handle";
  nccl().call_hangs = false;
  starting.join();
  EXPECT_EQ(nccl_failure(), std::nullopt);
  EXPECT_EQ(nccl().polls, 0);
}

// A blocking call may hang for ever, and the control thread must not.
TEST_F(NcclCallsTest, ThatHangDoNotKeepOthersFromAsking) {
  const auto comm = make(NcclCalls::blocking);
  nccl().call_hangs = true;
  std::thread hanging([&] { comm->all_reduce_sum(buffer_); });
  while (nccl().calls().size() < 2) std::this_thread::yield();
  EXPECT_EQ(nccl_failure(), std::nullopt);
  nccl().poll_result = ncclRemoteError;
  EXPECT_TRUE(nccl_failure());
  nccl().call_hangs = false;
  nccl().poll_result = ncclSuccess;
  hanging.join();
}

TEST_F(NcclCallsTest, RegisterMemoryWhereNcclTakesIt) {
  const auto comm = make();
  EXPECT_TRUE(comm->register_memory(buffer_));
  comm->deregister_memory();
  comm->deregister_memory();
  nccl().takes_registrations = false;
  EXPECT_FALSE(comm->register_memory(buffer_));
  comm->deregister_memory();
  EXPECT_THAT(nccl().calls(), ElementsAre("start", "register", "deregister", "register"));
}

TEST_F(NcclCallsTest, GiveMemoryThatLivesAsLongAsItsOwners) {
  std::shared_ptr<void> memory = make_nccl_memory(64);
  ASSERT_TRUE(memory);
  std::shared_ptr<void> other = memory;
  memory.reset();
  EXPECT_THAT(nccl().calls(), ElementsAre("allocate"));
  other.reset();
  EXPECT_THAT(nccl().calls(), ElementsAre("allocate", "free"));

  nccl().allocate_result = ncclUnhandledCudaError;
  EXPECT_EQ(make_nccl_memory(64), nullptr);
}

TEST_F(NcclCallsTest, TellTheVersionAsLoaded) {
  EXPECT_EQ(nccl_version_code(), 22809);
  EXPECT_EQ(nccl_version(), "2.28.9");
}

}  // namespace
}  // namespace vae_dist::comm
