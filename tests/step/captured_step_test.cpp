// Tests captured steps without CUDA: each launch of a fake recorder runs the work again, which must
// give the same results as a graph. tests/gpu tests real graphs.
#include "step/captured_step.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <limits>

#include "base/error.hpp"
#include "input/batch_tensors.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Counts {
  int recorded = 0, alive = 0, launches = 0;
  bool launching = false;
};

class Rerun final : public device::RecordedWork {
 public:
  Rerun(std::function<void()> work, Counts& counts) : work_(std::move(work)), counts_(counts) {
    ++counts_.alive;
  }
  ~Rerun() override { --counts_.alive; }
  void launch() override {
    ++counts_.launches;
    counts_.launching = true;
    work_();
    counts_.launching = false;
  }

 private:
  std::function<void()> work_;
  Counts& counts_;
};

class Rerunning final : public device::WorkRecorder {
 public:
  /// `before`: called at each recording with its number, starting at 1; may throw.
  explicit Rerunning(Counts& counts, std::function<void(int)> before = {})
      : counts_(counts), before_(std::move(before)) {}

  std::unique_ptr<device::RecordedWork> record(const std::function<void()>& work) override {
    ++counts_.recorded;
    if (before_) before_(counts_.recorded);
    return std::make_unique<Rerun>(work, counts_);
  }

  device::WaitClock* wait_clock() override { return nullptr; }

 private:
  Counts& counts_;
  std::function<void(int)> before_;
};

/// A rank with different numbers in each step.
class Rank : public SmallRank {
 public:
  using SmallRank::SmallRank;

  std::vector<double> step(std::int64_t number) {
    return step(images_of_step(number, type()), number);
  }

  std::vector<double> step(const at::Tensor& images, std::int64_t number) {
    const double rate = 0.005 / static_cast<double>(number + 1),
                 kld = 0.013 * static_cast<double>(number),
                 capacity = 0.1 + 0.07 * static_cast<double>(number);
    objective::StepWeights weights{kld, capacity};
    for (const objective::Regulariser& each : learner().objective().options().regularisers)
      weights.ramps.push_back(each.ramp(100 * number));
    weights.code_draw = 0.1 * static_cast<double>(number);
    return SmallRank::step(images.contiguous(at::MemoryFormat::ChannelsLast), number, rate,
                           weights);
  }
};

// A loss as Python would save it: its weight of the KL has another value in each step.
class SavedLoss {
 public:
  SavedLoss() {
    torch::jit::Module loss("Loss");
    loss.define(R"(
def loss(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
    mu, log_var = outputs["mu"], outputs["log_var"]
    error = (outputs["reconstruction"] - x).abs().mean()
    kl = 0.5 * (mu * mu + log_var.exp() - 1 - log_var).sum(1).mean()
    return {"all": error + weights["kld_weight"] * kl, "kl": kl, "error": error}
)");
    loss.save(file());
  }
  ~SavedLoss() { std::filesystem::remove(file()); }
  SavedLoss(const SavedLoss&) = delete;
  SavedLoss& operator=(const SavedLoss&) = delete;

  std::string file() const {
    return testing::TempDir() + "captured_step_test_" + std::to_string(::getpid()) + ".pt";
  }
};

struct Case {
  std::string name;
  int ranks = 1;
  std::int64_t replicas = 1;
  std::function<void(config::Config&)> change = [](config::Config&) {};
  bool whole_batch = false;  // the objective looks at it
};

std::vector<Case> cases() {
  const auto reproducible = [](config::Config& config) { config.distributed.reproducible = true; };
  std::vector<Case> out = {{"OneRank"},
                           {"FourReplicas", 1, 4},
                           {"FourReplicasAsATree", 1, 4, reproducible},
                           {"TwoRanks", 2, 2},
                           {"TwoRanksOfFourReplicasAsATree", 2, 8, reproducible}};
  out.push_back({"FourReplicasInSinglePrecision", 1, 4,
                 [](config::Config& config) { config.train.precision = config::Precision::fp32; }});
  out.push_back({"Capacity", 1, 2,
                 [](config::Config& config) {
                   config.objective.capacity.gamma = 10;
                   config.objective.capacity.max_nats = 1;
                   config.objective.capacity.steps = 20;
                 },
                 true});
  const auto total_correlation = [](config::Config& config) {
    config.objective.regularisers.add("tc");
    config.distributed.reproducible = true;
  };
  const auto many = [](config::Config& config) {
    for (const char* name : {"factor", "mmd", "dip"}) {
      base::ItemList::Entry* const entry = config.objective.regularisers.add(name);
      for (base::Key& key : base::ItemList::keys_of(*entry)) {
        if (key.name.ends_with("width")) *std::get<std::int64_t*>(key.slot) = 20;
        if (key.name.ends_with("schedule")) key.choice->choose("linear");
      }
    }
    config.objective.free_bits = 0.1;
    config.distributed.reproducible = true;
  };
  out.push_back({"ManyTermsAndACritic", 2, 2, many, true});
  out.push_back({"ManyTermsAndACriticOfFourReplicas", 1, 4, many, true});
  out.push_back({"WholeBatch", 2, 2, total_correlation, true});
  out.push_back({"WholeBatchOfFourReplicas", 1, 4, total_correlation, true});
  out.push_back({"WholeBatchOfTwoRanksOfTwoReplicas", 2, 4, total_correlation, true});
  const auto codes = [](config::Config& config) {
    config.model.codes.kind = config::CodesKind::vector_quantized;
    config.model.codes.size = 5;
    config.model.codes.restart_after = 2;
    config.distributed.reproducible = true;
  };
  const auto script = [](config::Config& config) {
    static const SavedLoss saved;
    config.objective.name = config::ObjectiveName::script;
    config.objective.script = saved.file();
    config.distributed.reproducible = true;
  };
  out.push_back({"LossOfAScript", 1, 1, script});
  out.push_back({"LossOfAScriptOfTwoRanksOfTwoReplicas", 2, 4, script});
  out.push_back({"LossOfAScriptBesideTheWholeBatch", 2, 4,
                 [script, total_correlation](config::Config& config) {
                   script(config);
                   total_correlation(config);
                 },
                 true});
  out.push_back({"Codes", 1, 1, codes});
  out.push_back({"CodesOfTwoRanksOfTwoReplicas", 2, 4, codes});
  out.push_back({"ClippedWithAnAverage", 1, 2, [](config::Config& config) {
                   config.train.gradient_clip_norm = 0.01;
                   config.train.ema_decay = 0.9;
                   config.train.precision = config::Precision::fp32;
                 }});
  out.push_back({"RecomputedBlocks", 1, 2, [](config::Config& config) {
                   config.model.network.name = "resnet_vae";
                   config.train.recompute = config::Recompute::blocks;
                   config.train.precision = config::Precision::bf16;
                 }});
  for (const char* rule : {"adamw", "adamax", "sgd"})
    out.push_back({std::string("With") + rule, 1, 2,
                   [rule](config::Config& config) { config.train.optimizer.rule.name = rule; }});
  return out;
}

class CapturedSteps : public testing::TestWithParam<Case> {
 protected:
  static config::Config config() {
    config::Config out = small_config();
    out.distributed.first_bucket_mib = out.distributed.bucket_mib = 0.001;  // several buckets
    GetParam().change(out);
    return out;
  }
};

TEST_P(CapturedSteps, ComputeWhatEagerStepsDoBitForBit) {
  comm::run_thread_ranks(GetParam().ranks, [&](comm::CpuCommunicator& comm) {
    Rank eager(config(), GetParam().replicas, comm), captured(config(), GetParam().replicas, comm);
    const auto replicas_of_a_rank = static_cast<int>(GetParam().replicas / GetParam().ranks);
    Counts counts;
    captured.learner().record_steps(std::make_unique<Rerunning>(counts), true);
    for (std::int64_t number = 0; number < 10; ++number) {
      EXPECT_EQ(captured.step(number), eager.step(number))
          << "step " << number << ", rank " << comm.rank();
      EXPECT_EQ(captured.learner().is_captured(), number >= CaptureRule::kEagerSteps);
    }
    EXPECT_TRUE(same_tensors(captured.state(), eager.state())) << "rank " << comm.rank();
    const bool first_pass = GetParam().whole_batch && replicas_of_a_rank > 1;
    EXPECT_EQ(counts.recorded, first_pass ? 3 : replicas_of_a_rank > 1 ? 2 : 1);
    EXPECT_EQ(counts.launches,
              (10 - CaptureRule::kEagerSteps) * replicas_of_a_rank * (first_pass ? 2 : 1));
  });
}

// Of a first pass, of critics and of codes neither.
TEST_P(CapturedSteps, LeaveASkippedStepWithoutATrace) {
  comm::run_thread_ranks(GetParam().ranks, [&](comm::CpuCommunicator& comm) {
    Rank rank(config(), GetParam().replicas, comm);
    Counts counts;
    rank.learner().record_steps(std::make_unique<Rerunning>(counts), true);
    for (std::int64_t number = 0; number < 4; ++number) rank.step(number);
    const auto before = rank.state();
    at::Tensor images = images_of_step(4, rank.type());
    images[3][0][1][1] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(rank.step(images, 4)[4], 1) << "rank " << comm.rank();
    EXPECT_TRUE(same_tensors(rank.state(), before)) << "rank " << comm.rank();
    EXPECT_EQ(rank.step(5)[4], 0) << "rank " << comm.rank();
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, CapturedSteps, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

class CapturedStepTest : public testing::Test {
 protected:
  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
  Counts counts_;
};

TEST_F(CapturedStepTest, StaysEagerWithItsNumbersOnTheDeviceWhereCaptureIsNotWanted) {
  Rank plain(small_config(), 2, *self_), other(small_config(), 2, *self_);
  other.learner().record_steps(std::make_unique<Rerunning>(counts_), false);
  for (std::int64_t number = 0; number < 6; ++number)
    EXPECT_EQ(other.step(number), plain.step(number));
  EXPECT_FALSE(other.learner().is_captured());
  EXPECT_EQ(counts_.recorded, 0);
}

TEST_F(CapturedStepTest, GivesEachStepItsOwnOutcome) {
  Rank rank(small_config(), 1, *self_);
  rank.learner().record_steps(std::make_unique<Rerunning>(counts_), true);
  for (std::int64_t number = 0; number < 4; ++number) rank.step(number);
  std::vector<device::DeferredValues> deferred;
  std::vector<std::vector<double>> at_once;
  for (std::int64_t number = 4; number < 4 + device::DeferredRing::kRows; ++number) {
    deferred.push_back(rank.learner().step(
        {images_of_step(number).contiguous(at::MemoryFormat::ChannelsLast), noise_of_step(number)},
        0.005, {kSmallKldFactor, 0}));
    at_once.push_back(deferred.back().get());
  }
  ASSERT_TRUE(rank.learner().is_captured());
  for (std::size_t i = 0; i < deferred.size(); ++i) {
    EXPECT_EQ(deferred[i].get(), at_once[i]) << "step " << i;
    EXPECT_NE(at_once[i], at_once[(i + 1) % at_once.size()]);
  }
}

// The recording reads bytes as they are stored, and which of them are to be mirrored.
TEST_F(CapturedStepTest, MakesTheModelsInputInsideTheRecording) {
  const data::InputFormat format{.shape = kSmallShape, .flips = "W", .type = at::kDouble};
  Rank eager(small_config(), 2, *self_), captured(small_config(), 2, *self_);
  captured.learner().record_steps(std::make_unique<Rerunning>(counts_), true);
  int prepared_outside = 0;
  captured.learner().prepare_with([&](const model::Sample& stored) {
    if (!counts_.launching) ++prepared_outside;
    EXPECT_EQ(stored.x.scalar_type(), at::kByte);
    return input::model_batch(stored, format);
  });
  for (std::int64_t number = 0; number < 7; ++number) {
    model::Sample stored((images_of_step(number) * 255).to(at::kByte).squeeze(1),
                         noise_of_step(number, at::kFloat));
    stored.mirrored =
        ((at::arange(kSmallBatch).view({-1, 1, 1, 1}) + number) % 3 == 0).to(at::kByte);
    EXPECT_EQ(
        captured.learner().step(stored, 0.005, {kSmallKldFactor, 0}).get(),
        eager.learner().step(input::model_batch(stored, format), 0.005, {kSmallKldFactor, 0}).get())
        << "step " << number;
  }
  EXPECT_TRUE(captured.learner().is_captured());
  EXPECT_EQ(prepared_outside, 2 * CaptureRule::kEagerSteps);
  EXPECT_TRUE(same_tensors(captured.state(), eager.state()));
}

TEST_F(CapturedStepTest, LeavesASkippedStepWithoutATrace) {
  Rank rank(small_config(), 2, *self_);
  rank.learner().record_steps(std::make_unique<Rerunning>(counts_), true);
  for (std::int64_t number = 0; number < 5; ++number) rank.step(number);
  const auto before = rank.state();
  at::Tensor images = images_of_step(5);
  images[3][0][1][1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(rank.step(images, 5)[4], 1);
  EXPECT_TRUE(same_tensors(rank.state(), before));
  EXPECT_EQ(rank.step(6)[4], 0);
}

TEST_F(CapturedStepTest, GoesOnFromACheckpointAndEndsWhenAsked) {
  Rank first(small_config(), 2, *self_), second(small_config(), 2, *self_);
  first.learner().record_steps(std::make_unique<Rerunning>(counts_), true);
  for (std::int64_t number = 0; number < 6; ++number) first.step(number);
  checkpoint::Checkpoint saved;
  saved.weights = first.learner().weights();
  saved.optimizer = first.learner().optimizer_state();
  second.learner().restore(saved, "saved");
  EXPECT_EQ(counts_.alive, 2);
  first.learner().end_capture();
  EXPECT_EQ(counts_.alive, 0);
  for (std::int64_t number = 6; number < 12; ++number)
    EXPECT_EQ(first.step(number), second.step(number));
  EXPECT_FALSE(first.learner().is_captured());
  EXPECT_EQ(counts_.recorded, 2) << "capture must not be tried again";
}

TEST(CapturedStepOfRanks, IsGivenUpByAllWhereOneCannotRecordAndTrainingGoesOn) {
  for (const int failing_recording : {1, 2}) {
    comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
      Rank plain(small_config(), 4, comm), rank(small_config(), 4, comm);
      Counts counts;
      rank.learner().record_steps(
          std::make_unique<Rerunning>(counts,
                                      [&](int recording) {
                                        if (comm.rank() == 1 && recording == failing_recording)
                                          throw std::runtime_error(
                                              "operation not permitted when stream is capturing");
                                      }),
          true);
      for (std::int64_t number = 0; number < 8; ++number)
        EXPECT_EQ(rank.step(number), plain.step(number))
            << "step " << number << ", rank " << comm.rank();
      EXPECT_FALSE(rank.learner().is_captured());
      EXPECT_EQ(counts.alive, 0) << "rank " << comm.rank();
      EXPECT_EQ(counts.launches, 0);
    });
  }
}

// A communicator refuses all calls after a failed one.
TEST_F(CapturedStepTest, FailsWithTheCommunicatorAndSaysWhatDoesWithoutIt) {
  Rank rank(small_config(), 1, *self_);
  rank.learner().record_steps(
      std::make_unique<Rerunning>(counts_,
                                  [](int) {
                                    throw base::CommunicationFailure(
                                        "ncclAllReduce failed: unhandled cuda error");
                                  }),
      true);
  for (std::int64_t number = 0; number < CaptureRule::kEagerSteps; ++number) rank.step(number);
  try {
    rank.step(CaptureRule::kEagerSteps);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const base::CommunicationFailure& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("ncclAllReduce failed"), HasSubstr("train.cuda_graph=false")));
  }
}

}  // namespace
}  // namespace vae_dist::step
