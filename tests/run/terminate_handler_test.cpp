// Tests that a process from which an exception escapes says so and ends with its exit code, in
// whatever state it is. tests/faults/uncaught_test.py does the same with several ranks.
#include "run/terminate_handler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "../temporary_folder.hpp"
#include "comm/collective_log.hpp"
#include "data/prefetching_loader.hpp"
#include "run/rank_failure.hpp"

namespace vae_dist::run {
namespace {

void tell(const std::exception& error, const std::string& details) {
  std::fprintf(stderr, "told: %s\n%s", error.what(), details.c_str());
}

comm::MpiWorld one_rank() {
  std::string program = "test";
  char* arguments[] = {program.data(), nullptr};
  int count = 1;
  char** vector = arguments;
  return {count, vector};
}

// Memory whose deleter throws, as it does in a process whose GPU has failed.
std::shared_ptr<void> pinned_memory() {
  return {std::malloc(1), [](void* memory) {
            std::free(memory);
            throw std::runtime_error("CUDA error: an illegal memory access was encountered");
          }};
}

[[noreturn]] void unwind_past_a_deleter_that_throws() {
  const std::shared_ptr<void> pinned = pinned_memory();
  throw std::runtime_error("out of memory");
}

// A run that has something to save for up to `limit`.
struct StartedRun {
  StartedRun(const comm::MpiWorld& world, RankFailure::Tell report, RankFailure::SaveLastStep save,
             base::Seconds limit)
      : failure(world, log, std::move(report), [] { std::fputs("last words\n", stderr); }),
        saving(failure.save_before_the_end(std::move(save), limit, {own_process()}, {})) {}

  comm::CollectiveLog log;
  RankFailure failure;
  RankFailure::Saving saving;
};

class TerminateHandlerTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  const testing::ExitedWithCode failed_{static_cast<int>(base::ExitCode::rank_failed)};
};

TEST_F(TerminateHandlerTest, ReportsADeleterThatThrowsWhileTheStackUnwinds) {
  const auto die = [] {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    try {
      unwind_past_a_deleter_that_throws();
    } catch (const std::exception&) {
      std::fputs("caught\n", stderr);
    }
  };
  EXPECT_EXIT(die(), failed_,
              "^told: CUDA error: an illegal memory access was encountered\n"
              ".The exception escaped where nothing can catch it.*\n$");
}

TEST_F(TerminateHandlerTest, EndsARunAsItsOtherFailuresDo) {
  const auto die = [] {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    const StartedRun run(
        world, tell, [](const auto&) { std::fputs("saved\n", stderr); }, base::Seconds(600));
    unwind_past_a_deleter_that_throws();
  };
  EXPECT_EXIT(die(), failed_, "(saved\n(.*\n)*last words|last words\nsaved)");
  EXPECT_EXIT(die(), failed_, "told: CUDA error: an illegal memory access was encountered\n");
}

using TerminatedLoaderTest = TemporaryFolderTest;

TEST_F(TerminatedLoaderTest, ReportsWhatEscapesFromItsThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  hdf5::Hdf5File made = hdf5::Hdf5File::create(path("images.h5"));
  made.create_dataset("imgs", {.shape = {8, 3, 4}, .chunk_rows = 4})
      .write_rows(0, 8, std::vector<std::uint8_t>(8 * 12));
  made.close();
  const auto die = [this] {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    data::SampleSource source;
    source.files = {path("images.h5")};
    const data::SampleDataset dataset = data::SampleDataset::open(source);
    std::filesystem::remove_all(path(""));  // the process ends without TearDown()
    data::BatchPlan plan;
    plan.global_batch = plan.count = 4;
    plan.noise_per_sample = 2;
    // The second block of memory is refused, and the first one cannot be given back.
    const auto memory = [blocks = std::make_shared<int>()](std::size_t bytes) {
      if (++*blocks == 2) throw std::bad_alloc();
      auto* const data = new std::byte[bytes];
      return data::MemoryBlock{data, std::shared_ptr<void>(data, [data](void*) {
                                 delete[] data;
                                 throw std::runtime_error("thrown by the loader's memory");
                               })};
    };
    data::PrefetchingLoader loader(dataset, plan, {}, {.ahead = 1, .memory = memory});
    loader.next();
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(3), "^told: thrown by the loader's memory\n");
}

TEST_F(TerminateHandlerTest, GoesOnWhereTheThreadThatEndsAllRanksTerminates) {
  // `reports`: whether it terminates after its report, or before.
  const auto die = [](bool reports) {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    StartedRun run(
        world,
        [first = std::make_shared<std::atomic<bool>>(true), reports](const std::exception& error,
                                                                     const std::string& details) {
          if (!first->exchange(false)) return tell(error, details);
          if (reports) tell(error, details);
          pinned_memory().reset();
        },
        [](const auto&) {}, base::Seconds(600));
    run.failure.end_all_ranks(base::Failure("a step has failed"));
  };
  EXPECT_EXIT(die(true), failed_, "^told: a step has failed\n");
  EXPECT_EXIT(die(false), failed_, "^told: CUDA error");
}

TEST_F(TerminateHandlerTest, EndsWithinALimitWhereItsThreadHoldsTheLockThatIsNeeded) {
  // The other thread can neither report nor save.
  const auto die = [] {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    std::mutex mutex;
    const StartedRun run(
        world,
        [&](const std::exception& error, const std::string& details) {
          const std::lock_guard lock(mutex);
          tell(error, details);
        },
        [&](const auto&) { const std::lock_guard lock(mutex); }, base::Seconds(0));
    const std::lock_guard lock(mutex);
    unwind_past_a_deleter_that_throws();
  };
  EXPECT_EXIT(die(), failed_, "^told: CUDA error: an illegal memory access was encountered\n");
}

TEST_F(TerminateHandlerTest, ReportsOnceWhereTwoThreadsTerminate) {
  const auto die = [] {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    std::thread one([] { unwind_past_a_deleter_that_throws(); });
    std::thread other([] { unwind_past_a_deleter_that_throws(); });
    one.join();
    other.join();
  };
  EXPECT_EXIT(die(), failed_, "^told: out of memory\n[^\n]*\n$");
}

TEST_F(TerminateHandlerTest, NamesWhatIsNoException) {
  const auto die_of = [](const std::function<void()>& escapes) {
    const comm::MpiWorld world = one_rank();
    const TerminateHandler handler(world, tell);
    std::thread(escapes).join();
  };
  EXPECT_EXIT(die_of([] { throw 5; }), failed_, "^told: an exception of an unknown type");
  EXPECT_EXIT(die_of([] { std::terminate(); }), failed_, "^told: std::terminate was called");
  // Nothing is refused any more, so this is a failed rank like any other.
  EXPECT_EXIT(die_of([] { throw base::BadInput("no such file"); }), failed_, "^told: no such file");
}

TEST_F(TerminateHandlerTest, IsInForceWhileItLives) {
  const auto die = [] {
    const std::terminate_handler before = std::get_terminate();
    {
      const comm::MpiWorld world = one_rank();
      const TerminateHandler handler(world, tell);
      if (std::get_terminate() == before) ::_exit(1);
    }
    ::_exit(std::get_terminate() == before ? 0 : 2);
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace vae_dist::run
