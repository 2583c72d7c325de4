// Tests that a process ends with its message, its last step and its exit code when it has neither
// memory nor threads left.
#include "run/rank_failure.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "comm/collective_log.hpp"

namespace vae_dist::run {
namespace {

constexpr int kThreadsCanBeStarted = 99;

void allow_no_more_threads() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t bytes = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const rlimit limit = {bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
  try {
    std::thread([] {}).join();
    ::_exit(kThreadsCanBeStarted);
  } catch (const std::system_error&) {
    std::fputs("no more threads\n", stderr);
  }
}

// Fails where no thread can be started, with `save` to call first.
[[noreturn]] void fail_without_threads(RankFailure::SaveLastStep save) {
  std::string program = "test";
  char* arguments[] = {program.data(), nullptr};
  int count = 1;
  char** vector = arguments;
  const comm::MpiWorld world(count, vector);
  const comm::CollectiveLog log;
  RankFailure failure(
      world, log,
      [](const std::exception& error, const std::string&) {
        std::fprintf(stderr, "%s\n", error.what());
      },
      [] { std::fputs("last words\n", stderr); });
  const auto saving =
      failure.save_before_the_end(std::move(save), base::Seconds(600), {own_process()}, {});
  allow_no_more_threads();
  failure.end_all_ranks(base::Failure("a step has failed"));
}

class RankFailureTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer needs memory of its own, which this test forbids";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  const testing::ExitedWithCode failed_{static_cast<int>(base::ExitCode::rank_failed)};
};

TEST_F(RankFailureTest, SavesWhereNoThreadCanBeStarted) {
  EXPECT_EXIT(fail_without_threads([](const auto&) { std::fputs("saved\n", stderr); }), failed_,
              "no more threads\n(saved\na step has failed|a step has failed\n.*saved)");
}

TEST_F(RankFailureTest, EndsAlthoughSavingFails) {
  EXPECT_EXIT(fail_without_threads([](const auto&) { throw std::bad_alloc(); }), failed_,
              "a step has failed");
}

}  // namespace
}  // namespace vae_dist::run
