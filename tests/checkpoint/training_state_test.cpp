#include "checkpoint/training_state.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.hpp"

namespace vae_dist::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TrainingState read_back(const TrainingState& state) {
  return training_state_from_json(to_json(state), "state.json");
}

std::optional<double> best_read_back(double loss) {
  TrainingState state;
  state.best_validation = loss;
  return read_back(state).best_validation;
}

std::string refusal(const std::string& bytes) {
  try {
    training_state_from_json(bytes, "runs/state.json");
  } catch (const base::BadInput& error) {
    return error.what();
  }
  return "read";
}

std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  const auto at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return bytes.replace(at, from.size(), to);
}

TEST(TrainingState, ReadsBackEveryField) {
  using Limits = std::numeric_limits<std::int64_t>;
  const TrainingState state{.step = 1,
                            .epoch = 2,
                            .position = 3,
                            .optimizer_step = 4,
                            .skipped_steps = 5,
                            .seed = Limits::min(),
                            .replicas = 7,
                            .world_size = Limits::max(),
                            .dataset_fingerprint = "ab\"\n\xc3\xa9",
                            .best_validation = 0.1,
                            .best_measure = "elbo_nats",
                            .stop_measure = "mse",
                            .program_version = "0.1.0",
                            .arithmetic = "CPU AVX2, 1 thread",
                            .awaits_evaluation = 1,
                            .begun_from = "runs/a",
                            .kept_files = {{"model.encoder", "a1"}, {"model.decoder", "b2"}}};
  const auto read = read_back(state);
  EXPECT_EQ(read.step, 1);
  EXPECT_EQ(read.epoch, 2);
  EXPECT_EQ(read.position, 3);
  EXPECT_EQ(read.optimizer_step, 4);
  EXPECT_EQ(read.skipped_steps, 5);
  EXPECT_EQ(read.seed, state.seed);
  EXPECT_EQ(read.replicas, 7);
  EXPECT_EQ(read.world_size, state.world_size);
  EXPECT_EQ(read.dataset_fingerprint, state.dataset_fingerprint);
  EXPECT_EQ(read.best_validation, 0.1);
  EXPECT_EQ(read.best_measure, "elbo_nats");
  EXPECT_EQ(read.stop_measure, "mse");
  EXPECT_EQ(read.program_version, "0.1.0");
  EXPECT_EQ(read.arithmetic, "CPU AVX2, 1 thread");
  EXPECT_EQ(read.awaits_evaluation, 1);
  EXPECT_EQ(read.begun_from, "runs/a");
  EXPECT_EQ(read.kept_files, state.kept_files);
  EXPECT_EQ(read_back({}).best_validation, std::nullopt);
}

// Checkpoints that are older than these keys.
TEST(TrainingState, ReadsWhatOlderProgramsWrote) {
  std::string bytes =
      replaced(to_json(TrainingState{.step = 12}), ",\n  \"awaits_evaluation\": 0", "");
  bytes = replaced(bytes, ",\n  \"begun_from\": \"\"", "");
  bytes = replaced(bytes, ",\n  \"kept_files\": {}", "");
  for (const char* key : {"best_measure", "stop_measure"})
    bytes = replaced(bytes, std::string(",\n  \"") + key + "\": \"\"", "");
  const TrainingState read = training_state_from_json(bytes, "state.json");
  EXPECT_EQ(read.step, 12);
  EXPECT_EQ(read.best_measure, "");
  EXPECT_EQ(read.awaits_evaluation, 0);
  EXPECT_EQ(read.begun_from, "");
  EXPECT_TRUE(read.kept_files.empty());
}

TEST(TrainingState, FloatsReadBackToTheSameBits) {
  using Limits = std::numeric_limits<double>;
  for (const double value :
       {0.1 + 0.2, 1.0 / 3.0, -0.0, 5.0, 1e22, std::nextafter(1.0, 2.0), Limits::denorm_min(),
        Limits::min(), Limits::max(), Limits::lowest(), 0.027512345678901234}) {
    const auto read = best_read_back(value);
    ASSERT_TRUE(read) << value;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*read), std::bit_cast<std::uint64_t>(value)) << value;
  }
}

TEST(TrainingState, ALossThatIsNotFiniteIsNoBest) {
  EXPECT_EQ(best_read_back(std::nan("")), std::nullopt);
  EXPECT_EQ(best_read_back(-std::numeric_limits<double>::infinity()), std::nullopt);
}

TEST(TrainingState, RefusesDamageWithFileAndKey) {
  TrainingState state;
  state.step = 12;
  const std::string good = to_json(state);
  EXPECT_THAT(refusal("{}"), AllOf(HasSubstr("runs/state.json"), HasSubstr("'step' is missing")));
  EXPECT_THAT(refusal(replaced(good, "\"step\": 12", "\"step\": 12.5")),
              HasSubstr("'step' is not a whole number"));
  EXPECT_THAT(refusal(replaced(good, "\"step\": 12", "\"step\": 9223372036854775808")),
              HasSubstr("'step' is not in range"));
  EXPECT_THAT(refusal(replaced(good, "\"program_version\": \"\"", "\"program_version\": 1")),
              HasSubstr("'program_version' is not a string"));
  EXPECT_THAT(refusal(replaced(good, "\"kept_files\": {}", "\"kept_files\": \"none\"")),
              HasSubstr("'kept_files' is not an object"));
  EXPECT_THAT(refusal(replaced(good, "\"kept_files\": {}", "\"kept_files\": {\"a\": 1}")),
              HasSubstr("'kept_files' is not an object of strings"));
  EXPECT_THAT(refusal(replaced(good, "null", "\"low\"")),
              HasSubstr("'best_validation_loss' is not a number"));
  EXPECT_THAT(refusal(replaced(good, "\"step\": 12", "\"step\": 12, \"step\": 12")),
              HasSubstr("'step' occurs twice"));
  EXPECT_THAT(refusal(good.substr(0, good.size() / 2)), HasSubstr("invalid JSON"));
}

}  // namespace
}  // namespace vae_dist::checkpoint
