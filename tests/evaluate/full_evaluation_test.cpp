#include "evaluate/full_evaluation.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "comm/thread_communicator.hpp"
#include "evaluate/encoded_rows.hpp"
#include "evaluate/evaluation_report.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

using testing::HasSubstr;
using testing::Not;

class FullEvaluations : public StoredImages {
 protected:
  // 37 images, whose factors are the place of a bright row and that of a dark column.
  std::string stored_shapes() const {
    std::vector<std::uint8_t> bytes(37 * 64, 100);
    std::vector<std::int64_t> classes;
    for (std::size_t n = 0; n < 37; ++n) {
      const std::size_t row = n % 5, column = n / 5;
      for (std::size_t i = 0; i < 8; ++i) {
        bytes[n * 64 + row * 8 + i] = 255;
        bytes[n * 64 + i * 8 + column] = 0;
      }
      classes.insert(classes.end(),
                     {static_cast<std::int64_t>(row), static_cast<std::int64_t>(column)});
    }
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path("shapes.h5"));
    file.create_dataset("imgs", {.shape = {37, 8, 8}})
        .write_rows(0, 37, std::span<const std::uint8_t>(bytes));
    hdf5::Hdf5Dataset factors = file.create_dataset(
        "latents/classes", {.shape = {37, 2}, .type = hdf5::ElementType::int64});
    factors.write_rows(0, 37, std::span<const std::int64_t>(classes));
    factors.set_attribute("names", std::vector<std::string>{"row", "column"});
    file.close();
    return path("shapes.h5");
  }

  static void copy_weights(const model::LatentModel& from, model::LatentModel& to) {
    const at::NoGradGuard no_grad;
    const std::vector<at::Tensor> sources = from.parameters();
    std::vector<at::Tensor> targets = to.parameters();
    for (std::size_t i = 0; i < sources.size(); ++i) targets[i].copy_(sources[i]);
  }

  static EvaluationOptions options_of(const data::SampleDataset& data) {
    EvaluationOptions options;
    options.format = format_of(data);
    options.weights.kld_factor = 0.1;
    options.block = 4;
    options.first = 3;
    options.samples = 33;
    options.importance_samples = 3;
    return options;
  }
};

TEST_F(FullEvaluations, HaveTheSameFiguresAtAnyNumberOfRanks) {
  const std::string file = stored_shapes();
  const auto original = small_model();
  std::set<std::string> all;
  for (const int ranks : {1, 2, 3, 4}) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& all_ranks) {
      const auto model = small_model();
      copy_weights(*original, *model);
      const data::SampleDataset data = open(file);
      const FullEvaluation result = evaluate_fully(*model, objective::Objective({}, *model), data,
                                                   options_of(data), 10, all_ranks);
      EvaluationSubject subject;
      const std::string json = evaluation_json(subject, result).dump();
      static std::mutex mutex;
      const std::lock_guard lock(mutex);
      all.insert(json);
    });
  }
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(*all.begin(), HasSubstr("\"factors\":[\"row\",\"column\"]"));
}

TEST_F(FullEvaluations, LookAtTheSamplesAskedFor) {
  const auto model = small_model();
  const data::SampleDataset data = open(stored_shapes());
  const auto all_ranks = comm::make_self_communicator();
  const EvaluationOptions options = options_of(data);
  const FullEvaluation part =
      evaluate_fully(*model, objective::Objective({}, *model), data, options, 0, *all_ranks);
  const EncodedBlock codes = encode_rows(*model, data, {3, 36}, options.format, 7, *all_ranks);
  ASSERT_EQ(codes.mu.size(0), 33);
  for (std::int64_t j = 0; j < 3; ++j)
    EXPECT_NEAR(part.evaluation.latent_variance[static_cast<std::size_t>(j)],
                codes.mu.select(1, j).var(false).item<double>(), 1e-12);
  EXPECT_FALSE(part.sample_quality);
}

TEST_F(FullEvaluations, SayWhyThereAreNoScores) {
  const auto model = small_model();
  const data::SampleDataset data = open(stored_shapes());
  EvaluationOptions options = options_of(data);
  options.samples = 1;
  const FullEvaluation result = evaluate_fully(*model, objective::Objective({}, *model), data,
                                               options, 10, *comm::make_self_communicator());
  EXPECT_FALSE(result.factor_scores);
  EXPECT_FALSE(result.sample_quality) << "one image has no five neighbours";
  const std::string table = evaluation_table({}, result);
  EXPECT_THAT(table, HasSubstr("disentanglement     none: "));
  EXPECT_THAT(table, Not(HasSubstr("coverage")));
}

TEST(TextColumns, AreAsWideAsTheirWidestEntry) {
  EXPECT_EQ(text_columns({{"run", "KL"}, {"a longer one", "1"}, {"b", "123"}}),
            "run            KL\na longer one    1\nb             123\n");
}

}  // namespace
}  // namespace vae_dist::evaluate
