#include "train/start_table.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <map>

#include "../temporary_folder.hpp"
#include "config/words.hpp"
#include "objective/gaussian.hpp"
#include "run/launcher_facts.hpp"

namespace vae_dist::train {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A run on 210 grey images of 4x4 with G = 64, R = 4 on 2 ranks.
class StartTable : public TemporaryFolderTest {
 protected:
  void SetUp() override {
    TemporaryFolderTest::SetUp();
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path("grey.h5"));
    std::vector<std::uint8_t> bytes(210 * 16);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i % 251);
    file.create_dataset("imgs", {.shape = {210, 4, 4}}).write_rows(0, 210, bytes);
    file.close();
    data::SampleSource source;
    source.files = {path("grey.h5")};
    data_.emplace(data::SampleDataset::open(source, std::numeric_limits<std::uint64_t>::max()));

    config_.run.name = "grey";
    config_.model.latent_dim = 8;
    config_.data.shuffle_window_chunks = 0;
    device_.backend = device::Backend::mpi;
    plan_ = input::make_replica_plan(64, 4, 2, 0, 210);
  }

  // Resolves the objective and returns the rows by name.
  std::map<std::string, std::string> rows(double top_variance = 0.5, std::int64_t first_step = 0) {
    const StartFacts facts = facts_of(top_variance, first_step);
    const base::TableRows table = start_table(facts);
    return {table.begin(), table.end()};
  }

  std::string warning(double top_variance) { return collapse_warning(facts_of(top_variance, 0)); }

  StartFacts facts_of(double top_variance, std::int64_t first_step) {
    objective_ = step::resolve_objective(config_, 210, data_->shape());
    rates_ = step::learning_rate_plan(config_.train, 3, 60);
    StartFacts facts{config_, *data_, nullptr, plan_, device_, objective_, rates_};
    facts.parameters = {1000, 1000};
    facts.top_variance = top_variance;
    facts.first_step = first_step;
    return facts;
  }

  config::Config config_;
  std::optional<data::SampleDataset> data_;
  input::ReplicaPlan plan_;
  objective::GaussianSettings& gaussian() {
    return config_.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian");
  }

  device::DeviceChoice device_;
  step::ResolvedObjective objective_;
  step::LearningRatePlan rates_;
};

TEST_F(StartTable, SaysThatFp32OnAGpuUsesNoTensorCores) {
  const c10::Device gpu(c10::kCUDA, 0);
  EXPECT_THAT(precision_text(config::Precision::fp32, gpu),
              AllOf(StartsWith("fp32 (IEEE, without tensor cores"), HasSubstr("PyTorch"),
                    HasSubstr("train.precision: tf32")));
  EXPECT_EQ(precision_text(config::Precision::fp32, c10::kCPU), "fp32");
  for (const auto precision : {config::Precision::tf32, config::Precision::bf16})
    EXPECT_EQ(precision_text(precision, gpu), config::word(precision));
  EXPECT_THAT(rows()["model"], EndsWith(" parameters, fp32"));
}

TEST_F(StartTable, SaysWhereBf16IsRoundedAndMultipliedInFp32) {
  EXPECT_EQ(rounding_text(0, 2), "");
  EXPECT_EQ(rounding_text(1, 1), ": rounded, multiplied in fp32 on this CPU");
  EXPECT_EQ(rounding_text(2, 2), ": rounded, multiplied in fp32 on these CPUs");
  EXPECT_EQ(rounding_text(1, 2), ": rounded, multiplied in fp32 on the CPUs of 1 of 2 ranks");
}

TEST_F(StartTable, SaysHowTheBatchIsCut) {
  auto table = rows();
  EXPECT_EQ(table["ranks"], "2, replicas R = 4 (2 per rank), batch norm local");
  EXPECT_EQ(table["global batch G"], "64: 16 per replica, 32 per rank");
  EXPECT_EQ(table["samples N"], "210, 3 steps per epoch (the last 18 of each epoch are dropped)");
  EXPECT_EQ(table["steps"], "60 (20 epochs)");
  EXPECT_EQ(table["device"], "CPU, 1 thread per rank, gradients by MPI");
  EXPECT_THAT(table["run"], EndsWith("runs/grey"));
  EXPECT_THAT(table["training data"],
              AllOf(HasSubstr("grey.h5:/imgs"), HasSubstr("210 images 1x4x4")));
  EXPECT_EQ(table.count("validation data"), 0U);
}

TEST_F(StartTable, SaysWhatCtrlCDoes) {
  using Kind = run::LauncherFacts::Kind;
  StartFacts facts = facts_of(0.5, 0);
  const auto row = [&](Kind kind, double seconds) {
    facts.on_ctrl_c = run::ctrl_c_text({kind, 0, base::Seconds(seconds)});
    const base::TableRows rows = start_table(facts);
    return std::map<std::string, std::string>(rows.begin(), rows.end())["Ctrl-C"];
  };
  EXPECT_EQ(
      row(Kind::vae_launch, 2),
      "stops after the current step with a checkpoint; the third Ctrl-C ends the run at once");
  EXPECT_EQ(row(Kind::none, 2),
            "stops after the current step with a checkpoint; a second Ctrl-C ends the run at once");
  EXPECT_THAT(row(Kind::mpirun, 2), AllOf(StartsWith("mpirun kills the ranks 2 s later"),
                                          HasSubstr("launcher/vae_launch waits")));
  EXPECT_THAT(row(Kind::mpirun, 60), StartsWith("mpirun kills the ranks 60 s later"));
  EXPECT_EQ(row(Kind::slurm, 2), "") << "nobody can press it";
}

TEST_F(StartTable, SaysWhereTheRanksRun) {
  StartFacts facts = facts_of(0.5, 0);
  facts.hosts = "a (1 rank), b (1 rank)";
  facts.placements = {"rank 0: cores 0-3", "rank 1: cores 4-7"};
  const base::TableRows table = start_table(facts);
  EXPECT_THAT(table, testing::IsSupersetOf(base::TableRows{{"hosts", "a (1 rank), b (1 rank)"},
                                                           {"runs on", "rank 0: cores 0-3"},
                                                           {"", "rank 1: cores 4-7"}}));
  EXPECT_EQ(rows().count("hosts"), 0U);
}

TEST_F(StartTable, SaysWhereAResumedRunGoesOn) {
  EXPECT_EQ(rows(0.5, 25)["steps"], "from 25 to 60 (20 epochs)");
}

TEST_F(StartTable, SaysWhatTheModelTakes) {
  auto table = rows();
  EXPECT_EQ(table["model"], "vanilla_vae, latent 8, 1000 parameters, fp32");
  // 1000 parameters, with gradients and two moments, of 4 bytes; 210 images of 16 bytes.
  EXPECT_EQ(table["memory per rank"],
            "16 kB for the model, its gradients and its optimizer, 3.36 kB per node for the data");
  config_.train.precision = config::Precision::fp64;
  EXPECT_THAT(rows()["memory per rank"], StartsWith("32 kB "));
}

TEST_F(StartTable, SaysTheWeightOfTheKlAndWhatItStandsFor) {
  auto table = rows();
  EXPECT_EQ(table["M_N"], "0.00025 by reference: 0.00025 * 64 / 64 (auto); beta 1");
  // sqrt(0.00025 * 16 / 2) and its square.
  EXPECT_EQ(
      table["sigma_eff"],
      "0.04472 (variance 0.002); the largest variance of the images along any direction is 0.5");
  EXPECT_EQ(table["loss"], "gaussian, reduction mean (squared error per value)");

  config_.objective.reduction = config::Reduction::sum;
  gaussian().sigma = 0.25;
  table = rows();
  EXPECT_EQ(table["loss"], "gaussian, sigma 0.25, reduction sum (nats per sample)");
  EXPECT_EQ(table["M_N"], "1 by elbo: 1 (auto); beta 1");
  EXPECT_THAT(table["sigma_eff"], StartsWith("0.25 (variance 0.0625);"))
      << "sigma_eff is the configured sigma of the decoder";
  gaussian().variance = objective::Variance::learned;
  table = rows();
  EXPECT_EQ(table["loss"], "gaussian, variance learned, reduction sum (nats per sample)");
  EXPECT_EQ(table.count("sigma_eff"), 0U) << "a learned sigma is not fixed";
  config_.objective.beta.schedule = config::BetaSchedule::linear;
  config_.objective.beta.to = 4;
  config_.objective.beta.steps = 100;
  EXPECT_EQ(rows()["M_N"], "1 by elbo: 1 (auto); beta 0 -> 4 over 100 steps");
  config_.objective.capacity = {.gamma = 10, .max_nats = 25, .steps = 1000};
  table = rows();
  EXPECT_EQ(table["capacity"], "10 * |KL - C|, C 0 -> 25 nats over 1000 steps");
  EXPECT_EQ(table.count("M_N"), 0U);
}

TEST_F(StartTable, SaysWhatTakesTheKlsPlace) {
  config_.model.network.name = "autoencoder";
  EXPECT_EQ(rows()["latent"], "a point: no KL, no M_N");
  EXPECT_EQ(rows().count("M_N"), 0U);
  config_.model.network.name = "decoder_only";
  EXPECT_EQ(rows()["latent"],
            "no encoder: marginal likelihood by 64 draws from the prior per replica and step");
}

TEST_F(StartTable, SaysTheFirstAndTheLastLearningRate) {
  config_.train.schedule.name = config::RateSchedule::cosine;
  config_.train.schedule.warmup_steps = 10;
  config_.train.schedule.final_learning_rate = 0.00002;
  EXPECT_EQ(rows()["optimizer"], "adam, learning rate 0.0001 first, 2e-05 last (cosine)");
}

TEST_F(StartTable, WarnsOfARunThatMustCollapse) {
  config_.objective.kld_weight.rule =
      config::KldWeightRule::batch_over_dataset;  // 64 / 210 * 16 / 2 = 2.438
  EXPECT_THAT(warning(1.5),
              AllOf(HasSubstr("this run will collapse: M_N = 0.304762"), HasSubstr("= 2.438"),
                    HasSubstr("vary by no more than 1.5 "), HasSubstr("objective.kld_weight")));
}

TEST_F(StartTable, DoesNotWarnOfARunThatCanLearn) {
  EXPECT_EQ(warning(0.5), "");
  EXPECT_EQ(warning(0.0021), "") << "just above sigma_eff^2 = 0.002";
  EXPECT_NE(warning(0.0019), "");
  config_.objective.reduction = config::Reduction::sum;
  EXPECT_NE(warning(0.5), "") << "a decoder of sigma 1 explains images that vary less by noise";
  gaussian().sigma = 0.04;
  EXPECT_EQ(warning(0.0019), "");
}

}  // namespace
}  // namespace vae_dist::train
