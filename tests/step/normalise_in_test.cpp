// model.normalise_in: what a step of resnet_vae in bfloat16 casts. Autocast treats group
// normalisation and upsampling differently on a GPU and on the CPU, so these tests give the CPU the
// rules of a GPU.
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include "model/resnet_vae.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

config::Config residual(model::NormaliseIn in, config::Recompute recompute) {
  config::Config out = small_config("bf16");
  out.model.network.name = "resnet_vae";
  auto& own = out.model.network.settings_of<model::ResnetOptions>("resnet_vae");
  own.blocks = 1;
  own.attention_at = {5};
  own.normalise_in = in;
  own.fused_group_norm = false;  // a kernel of the CPU's, which a GPU lacks
  out.train.recompute = recompute;
  return out;
}

at::Tensor single(const at::Tensor& x) {
  return at::autocast::cached_cast(at::kFloat, x, c10::kCPU);
}

at::Tensor group_norm(const at::Tensor& x, std::int64_t groups,
                      const std::optional<at::Tensor>& weight,
                      const std::optional<at::Tensor>& bias, double epsilon, bool cudnn) {
  const c10::impl::ExcludeDispatchKeyGuard without(c10::DispatchKey::AutocastCPU);
  return at::group_norm(single(x), groups, single(*weight), single(*bias), epsilon, cudnn);
}

at::Tensor upsample(const at::Tensor& x, c10::SymIntArrayRef size, std::optional<double> height,
                    std::optional<double> width) {
  const c10::impl::ExcludeDispatchKeyGuard without(c10::DispatchKey::AutocastCPU);
  return at::upsample_nearest2d_symint(single(x), size, height, width);
}

/// While this object lives, autocast on the CPU does what it does on a GPU (AT_FORALL_FP32 in
/// ATen/autocast_mode.h).
class RulesOfAGpu {
 public:
  RulesOfAGpu()
      : rules_(torch::Library::IMPL, "aten", c10::DispatchKey::AutocastCPU, __FILE__, __LINE__) {
    rules_.impl("group_norm", TORCH_FN(group_norm));
    rules_.impl("upsample_nearest2d", TORCH_FN(upsample));
  }

 private:
  torch::Library rules_;
};

/// Counts the casts of maps, [B, C, H, W], and how often their memory order is changed, while it
/// lives; in this thread, which runs backward too.
class Conversions {
 public:
  Conversions() {
    casts_ = orders_ = 0;
    callback_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(count).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  ~Conversions() { at::removeCallback(callback_); }
  Conversions(const Conversions&) = delete;
  Conversions& operator=(const Conversions&) = delete;

  int casts() const { return casts_; }
  int orders() const { return orders_; }

 private:
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
    if (std::string_view(function.name()) != "aten::copy_") return nullptr;
    const at::Tensor &into = function.inputs()[0].toTensor(),
                     &from = function.inputs()[1].toTensor();
    // The weights of convolutions have four dimensions too, but not as many filters.
    if (into.dim() != 4 || into.size(0) != kSmallBatch) return nullptr;
    if (into.scalar_type() != from.scalar_type()) ++casts_;
    if (into.suggest_memory_format() != from.suggest_memory_format()) ++orders_;
    return nullptr;
  }

  static inline int casts_ = 0, orders_ = 0;
  at::CallbackHandle callback_;
};

class NormaliseIn : public testing::Test {
 protected:
  struct Course {
    std::vector<std::vector<double>> steps;
    int casts = 0, orders = 0;
  };

  Course train(model::NormaliseIn in, config::Recompute recompute = config::Recompute::none) {
    SmallRank rank(residual(in, recompute), 1, *self_);
    Course out;
    for (std::int64_t number = 0; number < 5; ++number) {
      const Conversions conversions;
      out.steps.push_back(rank.step(
          images_of_step(number, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast), number));
      out.casts = conversions.casts();
      out.orders = conversions.orders();
    }
    return out;
  }

  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
};

TEST_F(NormaliseIn, MakesNoDifferenceOnTheCpu) {
  EXPECT_EQ(train(model::NormaliseIn::bf16).steps, train(model::NormaliseIn::fp32).steps);
}

TEST_F(NormaliseIn, CastsNothingButWhatEntersAndLeavesTheNetworkUnderTheRulesOfAGpu) {
  const Course plain = train(model::NormaliseIn::bf16);
  const RulesOfAGpu rules;
  const Course in_bf16 = train(model::NormaliseIn::bf16);
  EXPECT_EQ(in_bf16.steps, plain.steps);
  // The images for the first convolution; the output, and its gradient.
  EXPECT_EQ(in_bf16.casts, 3);
  // At most at the code's size, forward and backward: the map becomes rows in the order C, H, W,
  // and rows become the decoder's first map.
  EXPECT_LE(in_bf16.orders, 4);

  const Course in_fp32 = train(model::NormaliseIn::fp32);
  EXPECT_NE(in_fp32.steps, plain.steps);
  // Each of twelve normalisations casts its input, and the convolution behind it its own, forward
  // and backward. Behind the encoder's last one rows are cast instead of a map.
  EXPECT_EQ(in_fp32.casts, 3 + 12 * 4 - 2);
  for (std::size_t step = 0; step < plain.steps.size(); ++step)
    for (std::size_t term = 0; term < 2; ++term)
      EXPECT_NEAR(in_bf16.steps[step][term], in_fp32.steps[step][term],
                  0.02 * in_fp32.steps[step][term])
          << "term " << term << " of step " << step;
}

TEST_F(NormaliseIn, HoldsWhereBlocksAreComputedAgain) {
  const RulesOfAGpu rules;
  for (const auto in : {model::NormaliseIn::bf16, model::NormaliseIn::fp32})
    EXPECT_EQ(train(in, config::Recompute::blocks).steps, train(in).steps);
}

}  // namespace
}  // namespace vae_dist::step
