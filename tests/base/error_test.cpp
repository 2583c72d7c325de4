#include "base/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <system_error>

namespace vae_dist::base {
namespace {

TEST(ExitCodes, AreThoseThatAreDocumented) {
  EXPECT_EQ(static_cast<int>(ExitCode::done), 0);
  EXPECT_EQ(static_cast<int>(exit_code(BadInput("no such key"))), 2);
  EXPECT_EQ(static_cast<int>(exit_code(Failure("disk full"))), 3);
  EXPECT_EQ(static_cast<int>(exit_code(std::bad_alloc())), 3);
  EXPECT_EQ(static_cast<int>(exit_code(Error(ExitCode::timed_out, "rank 3 did not arrive"))), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::stopped), 75);
}

TEST(Description, OfBadInputIsTheSentenceAlone) {
  EXPECT_EQ(describe(BadInput("run.yaml:3: unknown key")), "vae_dist: run.yaml:3: unknown key");
  EXPECT_EQ(describe(BadInput("run.yaml:3: unknown key"), 2),
            "vae_dist: rank 2: run.yaml:3: unknown key");
}

TEST(Description, OfAFailureNamesTheSourceThatRaisedIt) {
  const int line = __LINE__ + 1;
  const Failure error("MPI_Bcast failed");
  EXPECT_EQ(describe(error, 0),
            text("vae_dist: rank 0: MPI_Bcast failed [error_test.cpp:", line, "]"));
}

TEST(Description, OfAForeignErrorIsItsOwnText) {
  EXPECT_EQ(describe(std::runtime_error("out of shapes"), 1), "vae_dist: rank 1: out of shapes");
}

TEST(Description, SaysWhyAThreadMayNotStart) {
  const std::system_error no_thread(
      std::make_error_code(std::errc::resource_unavailable_try_again));
  EXPECT_THAT(describe(no_thread, 1), testing::HasSubstr("a thread cannot be started"));
  const std::system_error no_file(std::make_error_code(std::errc::no_such_file_or_directory));
  EXPECT_THAT(describe(no_file, 1), testing::Not(testing::HasSubstr("thread")));
}

TEST(Text, JoinsValuesWithTenDigits) {
  EXPECT_EQ(text("row ", 7, " of ", 1.0 / 3.0, ", ", 20000.5), "row 7 of 0.3333333333, 20000.5");
}

}  // namespace
}  // namespace vae_dist::base
