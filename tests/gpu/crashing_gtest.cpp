// The stand-in on which tests/process/prove_test.py tries rerun_after_crash.py: tests that pass,
// fail, end the process, and hang.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

TEST(First, Passes) {}
TEST(First, Fails) { EXPECT_EQ(1, 2); }
TEST(Second, Crashes) { std::abort(); }
TEST(Third, Passes) {}
TEST(Third, Hangs) { ::pause(); }
TEST(Fourth, Passes) {}
TEST(Fourth, IsSkipped) { GTEST_SKIP() << "for a reason"; }
