#include "launcher/program_choice.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"

namespace vae_dist::launcher {
namespace {

using Words = std::vector<std::string>;

ProgramChoice choose(const Words& arguments) { return choose_program(arguments, ""); }

TEST(ProgramChoice, IsTheOneWithCudaForVerbsThatCompute) {
  for (const Words& arguments :
       {Words{"train", "--config", "a.yaml"}, Words{"--config", "a.yaml"}, Words{"a.yaml"},
        Words{"--from", "runs/a"}, Words{"--dry-run", "a.yaml"},
        Words{"evaluate", "--checkpoint", "runs/a"}, Words{"sample"}, Words{"reconstruct"},
        Words{"interpolate"}, Words{"traverse"}, Words{"embed"},
        Words{"compare", "runs/a", "runs/b"}, Words{"lesson"}, Words{"bench", "a.yaml"}})
    EXPECT_EQ(choose(arguments), ProgramChoice::cuda_if_possible) << arguments.front();
}

TEST(ProgramChoice, IsTheOneForTheCpuForVerbsThatComputeNothing) {
  for (const Words& arguments :
       {Words{}, Words{"config"}, Words{"config", "a.yaml"}, Words{"completion", "bash"},
        Words{"data", "info", "a.h5"}, Words{"monitor"}, Words{"report", "runs/a"}, Words{"runs"},
        Words{"weights", "export"}, Words{"--help"}, Words{"--version"}, Words{"train", "--help"},
        Words{"bench", "-h"}})
    EXPECT_EQ(choose(arguments), ProgramChoice::cpu)
        << (arguments.empty() ? "" : arguments.front());
}

TEST(ProgramChoice, IsTheOneForTheCpuWhereTheCommandLineSaysSo) {
  EXPECT_EQ(choose({"train", "a.yaml", "distributed.device=cpu"}), ProgramChoice::cpu);
  EXPECT_EQ(choose({"a.yaml", "--device", "cpu"}), ProgramChoice::cpu);
  EXPECT_EQ(choose({"sample", "--device=cpu", "--checkpoint", "runs/a"}), ProgramChoice::cpu);
  EXPECT_EQ(choose({"train", "a.yaml", "distributed.device=cuda"}),
            ProgramChoice::cuda_if_possible);
  EXPECT_EQ(choose({"train", "a.yaml", "distributed.device=auto"}),
            ProgramChoice::cuda_if_possible);
  EXPECT_EQ(choose({"train", "a.yaml", "--device"}), ProgramChoice::cuda_if_possible)
      << "the missing value is reported later";
}

TEST(ProgramChoice, FollowsTheLastWordAndOptionsBeforeKeysAsTheVerbsDo) {
  EXPECT_EQ(choose({"train", "a.yaml", "distributed.device=cpu", "distributed.device=cuda"}),
            ProgramChoice::cuda_if_possible);
  EXPECT_EQ(choose({"train", "a.yaml", "distributed.device=cuda", "distributed.device=cpu"}),
            ProgramChoice::cpu);
  EXPECT_EQ(choose({"train", "--device", "cuda", "a.yaml", "distributed.device=cpu"}),
            ProgramChoice::cuda_if_possible);
  EXPECT_EQ(choose({"train", "--device", "cpu", "a.yaml", "distributed.device=cuda"}),
            ProgramChoice::cpu);
}

TEST(ProgramChoice, ObeysTheEnvironmentBeforeAll) {
  EXPECT_EQ(choose_program({"train", "a.yaml", "distributed.device=cuda"}, "cpu"),
            ProgramChoice::cpu);
  EXPECT_EQ(choose_program({"train", "a.yaml", "distributed.device=cpu"}, "cuda"),
            ProgramChoice::cuda);
  EXPECT_EQ(choose_program({"config"}, "cuda"), ProgramChoice::cuda);
  EXPECT_EQ(choose_program({"config"}, "auto"), ProgramChoice::cpu);
  EXPECT_EQ(choose_program({"train", "a.yaml"}, "auto"), ProgramChoice::cuda_if_possible);
  EXPECT_THROW(choose_program({"config"}, "gpu"), base::BadInput);
}

}  // namespace
}  // namespace vae_dist::launcher
