// Tests the set-up of a run: every rank gets the same result, at any number of ranks (threads).
// tests/process/resume_test.py covers real checkpoints of whole runs.
#include "run/run_setup.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <gmock/gmock.h>

#include <mutex>

#include "../temporary_folder.hpp"
#include "comm/agreement.hpp"
#include "comm/thread_communicator.hpp"
#include "config/load_config.hpp"

namespace vae_dist::run {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RunSetupTest : public TemporaryFolderTest {
 protected:
  std::string config_file(const std::string& more = "") {
    std::ofstream(path("run.yaml")) << "run: {name: shapes, directory: " << path("runs")
                                    << "}\ndata: {train: {file: " << path("images.h5") << "}}\n"
                                    << more;
    return path("run.yaml");
  }

  RunSetup set_up(int ranks, const std::vector<std::string>& overrides = {},
                  const std::string& more = "") {
    const RunRequest request{config_file(more), overrides, ""};
    std::vector<RunSetup> setups(static_cast<std::size_t>(ranks));
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& all_ranks) {
      setups[static_cast<std::size_t>(all_ranks.rank())] = set_up_run(request, {}, all_ranks);
    });
    for (const RunSetup& setup : setups) {
      EXPECT_EQ(config::config_yaml(setup.config), config::config_yaml(setups[0].config));
      EXPECT_EQ(checkpoint::to_json(setup.state), checkpoint::to_json(setups[0].state));
      EXPECT_EQ(setup.resumed, setups[0].resumed);
    }
    return std::move(setups[0]);
  }

  // Returns the error message, which must be equal on all ranks.
  std::string refused(int ranks, const std::vector<std::string>& overrides = {},
                      const std::string& more = "") {
    const RunRequest request{config_file(more), overrides, ""};
    std::vector<std::string> messages(static_cast<std::size_t>(ranks), "not refused");
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& all_ranks) {
      try {
        set_up_run(request, {}, all_ranks);
      } catch (const comm::AgreedError& error) {
        messages[static_cast<std::size_t>(all_ranks.rank())] = error.what();
        EXPECT_EQ(error.code(), base::ExitCode::bad_input);
      }
    });
    for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
    return messages[0];
  }

  // Writes the checkpoint that the run leaves after five steps.
  void write_checkpoint_of(const RunSetup& setup) {
    checkpoint::Checkpoint saved;
    saved.weights.tensors = {{"fc_mu.bias", at::arange(4, at::kFloat)}};
    saved.state = setup.state;
    saved.state.step = 5;
    saved.config_yaml = config::config_yaml(setup.config);
    checkpoint::write_checkpoint(RunDirectory(setup.config.run).checkpoints(), saved);
  }
};

TEST_F(RunSetupTest, TheFirstStartDecidesTheReplicas) {
  for (const int ranks : {1, 2, 4}) {
    const RunSetup setup = set_up(ranks);
    EXPECT_FALSE(setup.resumed);
    EXPECT_EQ(setup.state.step, 0);
    EXPECT_EQ(setup.config.distributed.replicas, ranks);
    EXPECT_EQ(setup.state.replicas, ranks);
    EXPECT_EQ(setup.state.world_size, ranks);
  }
}

TEST_F(RunSetupTest, ABatchForEachReplicaBecomesTheGlobalOne) {
  const RunSetup setup = set_up(2, {"train.batch_per_replica=24", "distributed.replicas=8"});
  EXPECT_EQ(setup.config.train.global_batch, 192);
  EXPECT_FALSE(setup.config.train.batch_per_replica);
  EXPECT_THAT(refused(2, {"train.batch_per_replica=4611686018427387904", "distributed.replicas=8"}),
              HasSubstr("train.batch_per_replica"));
}

TEST_F(RunSetupTest, GoesOnFromItsOwnCheckpointAtAnotherNumberOfRanks) {
  write_checkpoint_of(set_up(4));
  const RunSetup setup = set_up(2);
  EXPECT_TRUE(setup.resumed);
  EXPECT_EQ(setup.state.step, 5);
  EXPECT_EQ(setup.config.distributed.replicas, 4) << "the number of replicas of the first start";
  EXPECT_TRUE(setup.checkpoint) << "rank 0 has the checkpoint";
}

TEST_F(RunSetupTest, WhatAResumeMayNotChangeIsListed) {
  write_checkpoint_of(set_up(2));
  EXPECT_THAT(
      refused(2, {"model.latent_dim=7", "train.global_batch=32"}),
      AllOf(HasSubstr("model.latent_dim"), HasSubstr("train.global_batch"), HasSubstr("--from")));
  EXPECT_EQ(set_up(2, {"log.every_steps=7"}).config.log.every_steps, 7)
      << "keys that may change do change";
}

TEST_F(RunSetupTest, ARunThatMustNotGoOnIsRefusedWhereThereIsOne) {
  const std::vector<std::string> never = {"checkpoint.resume=never"};
  write_checkpoint_of(set_up(1, never));
  EXPECT_THAT(refused(1, never), HasSubstr(path("runs")));
}

TEST_F(RunSetupTest, ErrorsAreEverybodys) {
  EXPECT_THAT(refused(3, {}, "train: {global_bach: 3}\n"),
              AllOf(HasSubstr("global_bach"), HasSubstr("global_batch")));
  EXPECT_THAT(refused(3, {"train.global_batch=10", "distributed.replicas=3"}),
              HasSubstr("global_batch"));
}

TEST_F(RunSetupTest, NoCheckpointIsReadBeforeTheLockIsTaken) {
  write_checkpoint_of(set_up(1));
  const RunRequest request{config_file(), {}, ""};
  const LockRun taken = [](const RunDirectory&) -> std::unique_ptr<RunLock> {
    throw base::BadInput("another run trains in it");
  };
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& all_ranks) {
    EXPECT_THROW(set_up_run(request, taken, all_ranks), comm::AgreedError);
  });
}

}  // namespace
}  // namespace vae_dist::run
