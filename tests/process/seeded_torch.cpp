// Each test begins with LibTorch's generator at the same seed, so that what a test draws from it (a
// network's weights, mostly) is the same in every run and in any order of tests.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vae_dist {
namespace {

class SeededTorch : public testing::EmptyTestEventListener {
  // Before the fixture of the test is made.
  void OnTestStart(const testing::TestInfo&) override { at::manual_seed(1265); }
};

// The list owns it.
[[maybe_unused]] const bool is_listening =
    (testing::UnitTest::GetInstance()->listeners().Append(new SeededTorch), true);

}  // namespace
}  // namespace vae_dist
