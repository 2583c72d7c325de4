// Tests a whole run in this process, on one rank. tests/process and tests/faults cover several
// ranks, kills and stops.
#include "train/training_run.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "../data/image_files.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/agreement.hpp"
#include "metrics/step_terms.hpp"
#include "train/training_loop.hpp"

namespace vae_dist::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TrainingRunTest : public data::ImageFileTest {
 protected:
  // The exit code and the output on stderr.
  struct Ended {
    base::ExitCode code = base::ExitCode::rank_failed;
    std::string said;
  };

  Ended train(const std::vector<std::string>& overrides = {}, bool dry_run = false) {
    TrainingRequest request;
    request.run.config_file = path("run.yaml");
    request.run.overrides = overrides;
    request.dry_run = dry_run;
    testing::internal::CaptureStderr();
    Ended ended;
    try {
      ended.code = run_training(request, world_);
    } catch (const comm::AgreedError& error) {
      ended.code = error.code();
      ended.said = error.what();
    }
    ended.said = testing::internal::GetCapturedStderr() + ended.said;
    return ended;
  }

  void SetUp() override {
    data::ImageFileTest::SetUp();
    std::ofstream(path("run.yaml"))
        << "run: {name: small, directory: " << path("runs") << "}\n"
        << "model: {name: mlp_vae, hidden_dims: [8], latent_dim: 2}\n"
        << "data: {train: {file: " << make_images("train.h5", {40, 8, 8, 3}) << "}}\n"
        << "train: {steps: 6, global_batch: 16}\n"
        << "checkpoint: {every_steps: 4}\n"
        << "log: {every_steps: 1}\n"
        << "pictures: {every_epochs: 0}\n"
        << "metrics: {port: null}\n";
  }

  bool has(const std::string& file) const {
    return std::filesystem::exists(path("runs/small/" + file));
  }

  std::vector<nlohmann::json> evaluations_of(const std::string& run) const {
    std::vector<nlohmann::json> out;
    std::ifstream lines(path("runs/" + run + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (nlohmann::json record = nlohmann::json::parse(line); record.contains("evaluated"))
        out.push_back(std::move(record));
    return out;
  }

  std::vector<std::int64_t> evaluated_steps(const std::string& run) const {
    std::vector<std::int64_t> out;
    for (const nlohmann::json& record : evaluations_of(run)) out.push_back(record.at("step"));
    return out;
  }

  int argc_ = 0;
  char** argv_ = nullptr;
  comm::MpiWorld world_{argc_, argv_};
};

TEST_F(TrainingRunTest, LeavesACheckpointALogAndAReport) {
  const Ended ended = train();
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(ended.said, AllOf(HasSubstr("mlp_vae"), HasSubstr("done: 6 steps")));
  for (const char* file : {"config.yaml", "environment.json", "metrics.jsonl", "terms.json",
                           "report.html", "checkpoints/step_00000006/weights.safetensors"})
    EXPECT_TRUE(has(file)) << file;
  EXPECT_FALSE(has("lock.json"));
}

TEST_F(TrainingRunTest, ARunThatIsDoneHasNothingLeftAndGoesOnWhenAskedForMore) {
  train();
  const std::string log = bytes_of(path("runs/small/metrics.jsonl"));
  const Ended again = train();
  EXPECT_EQ(again.code, base::ExitCode::done);
  EXPECT_THAT(again.said, HasSubstr("nothing left to do"));
  EXPECT_EQ(bytes_of(path("runs/small/metrics.jsonl")), log);
  const Ended more = train({"train.steps=9"});
  EXPECT_THAT(more.said, HasSubstr("done: 3 steps"));
  EXPECT_TRUE(has("checkpoints/step_00000009/weights.safetensors"));
}

TEST_F(TrainingRunTest, InTwoPartsHasTheBytesOfOne) {
  train({"run.name=whole", "train.steps=8", "distributed.reproducible=true"});
  train({"run.name=parts", "train.steps=5", "distributed.reproducible=true"});
  train({"run.name=parts", "train.steps=8", "distributed.reproducible=true"});
  for (const char* file : {"weights.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(bytes_of(path("runs/whole/checkpoints/step_00000008/") + file),
              bytes_of(path("runs/parts/checkpoints/step_00000008/") + file))
        << file;
}

TEST_F(TrainingRunTest, ADryRunChecksAndLeavesNothing) {
  const Ended ended = train({}, /*dry_run=*/true);
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(ended.said, AllOf(HasSubstr("parameters"), Not(HasSubstr("done:"))));
  EXPECT_FALSE(std::filesystem::exists(path("runs")));
}

TEST_F(TrainingRunTest, OtherDataThanTheRunWasBegunWithIsRefused) {
  train();
  const std::string other = make_images("other.h5", {48, 8, 8, 3});
  const Ended ended = train({"train.steps=9", "data.train.file=" + other});
  EXPECT_EQ(ended.code, base::ExitCode::bad_input);
  EXPECT_THAT(ended.said,
              AllOf(HasSubstr("data.train is not the dataset that this run was started with"),
                    HasSubstr("train --from")));
}

TEST_F(TrainingRunTest, StopsEarlyWhereNothingGetsBetter) {
  const std::vector<std::string> overrides = {
      "train.steps=40", "train.optimizer.learning_rate=0", "train.early_stop.patience=2",
      "data.validation.fraction=0.2", "evaluate.every_epochs=1"};
  const Ended ended = train(overrides);
  EXPECT_EQ(ended.code, base::ExitCode::done);
  EXPECT_THAT(
      ended.said,
      HasSubstr(
          "stopped early: train.early_stop.metric validation_loss did not fall below its best"));
  EXPECT_THAT(train(overrides).said, HasSubstr("has stopped early"));
}

TEST_F(TrainingRunTest, EvaluationsAndPicturesWithinAnEpochChangeNoBit) {
  // 32 training images: an epoch has 2 steps.
  const std::vector<std::string> always = {
      "train.steps=7",
      "distributed.reproducible=true",
      "data.validation.fraction=0.2",
      "evaluate.every_epochs=0",
      "train.ema_decay=0.9",
      "model={name: vanilla_vae, hidden_dims: [4, 6], latent_dim: 2}"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), always.begin(), always.end());
    return more;
  };
  train(with({"run.name=plain"}));
  const Ended looked_at =
      train(with({"run.name=looked_at", "evaluate.every_steps=1", "pictures.every_steps=3",
                  "pictures.samples=2", "pictures.reconstructions=2"}));
  EXPECT_EQ(looked_at.code, base::ExitCode::done) << looked_at.said;
  EXPECT_THAT(evaluated_steps("looked_at"), testing::ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(evaluated_steps("plain"), testing::ElementsAre(7));
  for (const char* step : {"3", "6", "7"})
    EXPECT_TRUE(
        std::filesystem::exists(path("runs/looked_at/pictures/samples_0000000") + step + ".png"))
        << step;
  EXPECT_FALSE(std::filesystem::exists(path("runs/looked_at/pictures/samples_00000004.png")));
  EXPECT_FALSE(std::filesystem::exists(path("runs/plain/pictures/samples_00000007.png")));
  for (const char* file : {"weights.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(bytes_of(path("runs/plain/checkpoints/step_00000007/") + file),
              bytes_of(path("runs/looked_at/checkpoints/step_00000007/") + file))
        << file;
}

// The run of an older program had stopped, because by the loss of an early beta nothing had become
// better since.
TEST_F(TrainingRunTest, GoesOnWhereAnOlderProgramStoppedByALossThatMoved) {
  const std::vector<std::string> overrides = {
      "train.early_stop.patience=3", "data.validation.fraction=0.2", "evaluate.every_epochs=1",
      "objective.beta={schedule: linear, steps: 100}"};
  const auto for_steps = [&](const std::string& steps) {
    std::vector<std::string> all = overrides;
    all.push_back("train.steps=" + steps);
    return train(all);
  };
  for_steps("6");
  const std::filesystem::path root = path("runs/small/checkpoints");
  for (const std::filesystem::path& directory : checkpoint::find_checkpoints(root)) {
    checkpoint::Checkpoint older = checkpoint::read_checkpoint(directory);
    std::filesystem::remove_all(directory);
    if (older.state.step != 6) continue;
    older.state.best_measure = older.state.stop_measure = "";
    older.state.best_validation = older.state.best_stop_metric = -1000;
    older.state.best_step = 2;
    older.state.evaluations_since_best = 3;
    checkpoint::write_checkpoint(root, older);
  }
  const Ended more = for_steps("8");
  EXPECT_THAT(more.said, AllOf(HasSubstr("the best checkpoint so far, of step 2, was chosen by the "
                                         "loss as weighted at its own step"),
                               HasSubstr("train.early_stop counts anew"),
                               HasSubstr("done: 2 steps"), Not(HasSubstr("stopped early"))));
  const checkpoint::TrainingState state =
      checkpoint::read_checkpoint(checkpoint::checkpoint_directory(root, 8)).state;
  EXPECT_EQ(state.best_measure, "final_loss");
  EXPECT_EQ(state.best_step, 8);
  EXPECT_GT(*state.best_validation, -1000);
  EXPECT_THAT(for_steps("10").said, Not(HasSubstr("was chosen by"))) << "it is said once";
}

// Each kind of model: the names that a refusal lists are those that evaluations record.
TEST_F(TrainingRunTest, NamesTheMeasuresThatItsEvaluationsHave) {
  const std::vector<std::vector<std::string>> kinds = {
      {},
      {"objective.beta={schedule: linear, steps: 3}"},
      {"objective.reduction=sum", "objective.importance_samples=3",
       "evaluate.importance_samples=4"},
      {"model={name: autoencoder, hidden_dims: [4, 6], latent_dim: 2}"},
      {"model={name: decoder_only, hidden_dims: [4, 6], latent_dim: 2}",
       "objective.prior_samples=4"}};
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    std::vector<std::string> overrides = kinds[k];
    overrides.insert(overrides.end(), {"run.name=kind" + std::to_string(k), "train.steps=2",
                                       "data.validation.fraction=0.2"});
    overrides.emplace_back("checkpoint.best=nothing");
    const Ended refused = train(overrides);
    EXPECT_EQ(refused.code, base::ExitCode::bad_input);
    EXPECT_FALSE(std::filesystem::exists(path("runs/kind") + std::to_string(k) + "/checkpoints"));
    const std::string list = refused.said.substr(refused.said.find("choose one of ") + 14);
    std::set<std::string> listed;
    std::istringstream names(list.substr(0, list.find('\n')));
    for (std::string name; std::getline(names >> std::ws, name, ',');) listed.insert(name);

    overrides.back() = "checkpoint.best=" + *listed.rbegin();
    ASSERT_EQ(train(overrides).code, base::ExitCode::done);
    std::set<std::string> recorded;
    const nlohmann::json last = evaluations_of("kind" + std::to_string(k)).back();
    for (const auto& [name, value] : last.items())
      recorded.insert(metrics::name_beside_a_step(name));
    // What says nothing about the model, or is no number.
    for (const char* other : {"step", "epoch", "evaluated", "samples", "mean_image_mse",
                              "kld_per_dimension", "final_loss"})
      recorded.erase(other);
    if (!listed.contains("kld")) recorded.erase("kld");  // 0 without a posterior
    EXPECT_EQ(listed, recorded) << "kind " << k;
  }
}

}  // namespace
}  // namespace vae_dist::train
