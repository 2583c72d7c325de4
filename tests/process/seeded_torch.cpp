// Reseeds LibTorch's generator before each test, so that its draws (mostly a network's weights) are
// the same in every run and in any order of tests.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vae_dist {
namespace {

class SeededTorch : public testing::EmptyTestEventListener {
  // Runs before the test's fixture is constructed.
  void OnTestStart(const testing::TestInfo&) override { at::manual_seed(1265); }
};

// The listener list takes ownership.
[[maybe_unused]] const bool is_listening =
    (testing::UnitTest::GetInstance()->listeners().Append(new SeededTorch), true);

}  // namespace
}  // namespace vae_dist
