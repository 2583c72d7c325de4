#include "report/run_report.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "base/error.hpp"

namespace vae_dist::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kPng("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\x08\0\0\0\0", 29);

RunRecord run_named(const std::string& name) {
  RunRecord run;
  run.name = name;
  run.origin = "runs/" + name;
  run.curves["loss"] = {{1, 2, 3}, {0.5, 0.4, 0.35}};
  run.curves["kld"] = {{1, 2, 3}, {9, 8, 7}};
  run.curves["kld_weight"] = {{1, 2, 3}, {0.00025, 0.00025, 0.00025}};
  run.curves["epoch"] = {{1, 2, 3}, {0, 0, 1}};
  run.curves["samples_per_second"] = {{1, 2, 3}, {100, 400, 420}};
  run.curves["step_seconds"] = {{1, 2, 3}, {0.2, 0.1, 0.1}};
  run.curves["data_wait_seconds"] = {{1, 2, 3}, {0.01, 0.01, 0.01}};
  run.curves["allreduce_wait_seconds"] = {{1, 2, 3}, {0.02, 0.02, 0.02}};
  run.evaluations = {
      {2, 1, "validation", {{"loss", 0.41}, {"kld", 8.5}, {"mse", 0.02}, {"mean_image_mse", 0.04}}},
      {3,
       2,
       "validation",
       {{"loss", 0.45}, {"kld", 7.5}, {"mse", 0.01}, {"mean_image_mse", 0.04}}}};
  run.config = {{"train.steps", "3", "null", "instead of epochs"},
                {"train.global_batch", "64", "64", "G"},
                {"objective.sigma", "2", "1", "of the decoder", false}};
  return run;
}

std::string report(const std::vector<RunRecord>& runs) {
  return run_report(runs, "2030-01-02 03:04 UTC").html();
}

TEST(RunReport, BeginsWithTheNumbersThatMatter) {
  const std::string html = report({run_named("mnist")});
  EXPECT_THAT(html, HasSubstr("<h1>mnist</h1><p class=\"subtitle\">a run in runs/mnist; written "
                              "2030-01-02 03:04 UTC</p>"));
  EXPECT_THAT(html,
              HasSubstr("<dt>Steps</dt><dd class=\"value\">3</dd><dd class=\"note\">epoch 2</dd>"));
  EXPECT_THAT(
      html,
      HasSubstr(
          "<dt>Loss</dt><dd class=\"value\">0.45</dd><dd class=\"note\">on validation data</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>Best validation loss</dt><dd class=\"value\">0.41</dd><dd "
                              "class=\"note\">at step 2</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>MSE</dt><dd class=\"value\">0.01</dd><dd class=\"note\">25 % of "
                              "the mean image&#39;s</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>KL divergence</dt><dd class=\"value\">7.5 nats</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>M_N</dt><dd class=\"value\">0.00025</dd>"));
  EXPECT_THAT(html, HasSubstr("<dt>Throughput</dt><dd class=\"value\">400/s</dd>"));
}

TEST(RunReport, DrawsWhatChangesAndTabulatesWhatDoesNot) {
  RunRecord run = run_named("mnist");
  run.curves["learning_rate"] = {{1, 2, 3}, {0.1, 0.2, 0.3}};
  run.curves["a_new_series"] = {{1, 2, 3}, {1, 2, 3}};
  const std::string html = report({run});
  for (const char* title : {"Loss", "KL divergence", "Learning rate", "A new series",
                            "Mean squared error of reconstructions",
                            "Throughput, all ranks together", "Time of a step, on rank 0"})
    EXPECT_THAT(html, HasSubstr(std::string("<figcaption>") + title + "</figcaption>"));
  EXPECT_THAT(html, Not(HasSubstr("<figcaption>M_N")));
  EXPECT_THAT(html, HasSubstr("<td>M_N, the weight of the KL divergence</td><td>0.00025</td>"));
  EXPECT_THAT(html, HasSubstr("the mean image&#39;s</text>"));
}

TEST(RunReport, ShowsWhereTheTimeOfAStepGoesOnEachRank) {
  RunRecord run = run_named("mnist");
  EXPECT_THAT(report({run}), HasSubstr("<title>rank 0, computing: 70</title>"))
      << "0.1 s less the waits";
  run.ranks = {{"rank 0 (a)", 0.1, 0.01, 0.02}, {"rank 1 (b)", 0.1, 0.03, 0.01}};
  const std::string html = report({run});
  EXPECT_THAT(html, HasSubstr("<title>rank 1 (b), waiting for data: 30</title>"));
  EXPECT_THAT(html, HasSubstr("<title>rank 0 (a), waiting for the all-reduce: 20</title>"));
}

TEST(RunReport, TellsOnceWhatIsTheSameInEachEvaluation) {
  RunRecord run = run_named("mnist");
  const std::string html = report({run});
  EXPECT_THAT(html, HasSubstr("All on validation data, MSE of the mean image 0.04. The best "
                              "validation loss is marked."));
  EXPECT_THAT(html, HasSubstr("KL (nats)</th>"));
  EXPECT_THAT(html, Not(HasSubstr("MSE of the mean image</th>")));

  run.evaluations.push_back({3, 2, "training", {{"loss", 0.4}, {"mean_image_mse", 0.05}}});
  const std::string two_kinds = report({run});
  EXPECT_THAT(two_kinds, HasSubstr("MSE of the mean image</th>"));
  EXPECT_THAT(two_kinds, HasSubstr("<td>training</td><td>3</td><td>2</td><td>0.4</td><td></td>"));
}

TEST(RunReport, SortsTheDimensionsByTheirKl) {
  RunRecord run = run_named("mnist");
  run.kld_per_dimension = {0.01, 3, std::numeric_limits<double>::quiet_NaN(), 5};
  const std::string html = report({run});
  EXPECT_LT(html.find("<title>z3: 5</title>"), html.find("<title>z1: 3</title>"));
  EXPECT_LT(html.find("<title>z0: 0.01</title>"), html.find("<title>z2: not finite</title>"));
  EXPECT_THAT(html, HasSubstr("2 of 4 dimensions carry more than 0.1 nats."));
}

TEST(RunReport, MarksWhatDiffersFromTheDefault) {
  const std::string html = report({run_named("mnist")});
  EXPECT_THAT(html, HasSubstr("1 of 3 keys differ from their default:"));
  EXPECT_THAT(
      html,
      HasSubstr("<tr class=\"marked\"><td><code>train.<wbr>steps</code><div class=\"note\">instead "
                "of epochs</div></td><td><code>3</code></td><td><code>null</code></td></tr>"));
  EXPECT_THAT(html, HasSubstr("<tr><td><code>train.<wbr>global_<wbr>batch</code>"));
  EXPECT_THAT(html, HasSubstr("<td>no effect</td><td><code>1</code></td>"));
}

TEST(RunReport, MarksTheBestEvaluation) {
  EXPECT_THAT(report({run_named("mnist")}),
              HasSubstr("<tr class=\"marked\"><td>2</td><td>1</td><td>0.41</td>"));
}

// Beta rises, so the loss grows with it, while the bound gets better.
TEST(RunReport, MarksTheBestByTheMeasureOfTheRun) {
  RunRecord run = run_named("mnist");
  run.evaluations[0].values.insert(run.evaluations[0].values.end(),
                                   {{"final_loss", 0.9}, {"elbo_nats", -95}});
  run.evaluations[1].values.insert(run.evaluations[1].values.end(),
                                   {{"final_loss", 0.6}, {"elbo_nats", -91}});
  const std::string at_final_weights = report({run});
  EXPECT_THAT(at_final_weights, HasSubstr("<dt>Best validation loss at the final weights</dt><dd "
                                          "class=\"value\">0.6</dd><dd class=\"note\">at step 3"));
  EXPECT_THAT(at_final_weights, HasSubstr("<tr class=\"marked\"><td>3</td><td>2</td>"));
  EXPECT_THAT(at_final_weights,
              HasSubstr("The best validation loss at the final weights is marked."));
  RunRecord by_bound = run;
  by_bound.config.push_back({"checkpoint.best", "elbo", "loss", "what the best is best at"});
  EXPECT_THAT(report({by_bound}), HasSubstr("<dt>Best validation ELBO</dt><dd class=\"value\">"
                                            "\u221291</dd><dd class=\"note\">at step 3</dd>"));
  EXPECT_THAT(report({run, by_bound}), HasSubstr("0.6 (loss at the final weights)</td>"));
}

TEST(RunReport, TellsTheEnergyOfAllPartsOfARun) {
  EXPECT_THAT(report({run_named("mnist")}), Not(HasSubstr("Energy")));
  RunRecord run = run_named("mnist");
  // It was resumed after step 20, and its counter began again.
  run.curves["joules"] = {{10, 20, 30}, {400000, 600000, 156000}};
  run.curves["joules_per_1000_samples"] = {{10, 20, 30}, {40, 39, 38}};
  const std::string html = report({run});
  EXPECT_THAT(html, HasSubstr("<dt>Energy</dt><dd class=\"value\">0.21 kWh</dd><dd "
                              "class=\"note\">38 J per 1,000 samples</dd>"));
  EXPECT_THAT(html, HasSubstr("<figcaption>Energy of 1,000 samples, since the start of the "
                              "process</figcaption>"));
  EXPECT_THAT(html, Not(HasSubstr("<figcaption>Joules")));
}

TEST(RunReport, WarnsOfWhatWentWrong) {
  EXPECT_THAT(report({run_named("mnist")}), Not(HasSubstr("class=\"warning\"")));
  RunRecord run = run_named("mnist");
  run.evaluations.back().values[1].second = 0.07;
  run.curves["loss"].value[1] = std::numeric_limits<double>::quiet_NaN();
  run.curves["skipped"] = {{1, 2, 3}, {0, 1, 0}};
  const std::string html = report({run});
  EXPECT_THAT(html,
              HasSubstr("the KL divergence is 0.07 nats: the latent code says almost nothing"));
  EXPECT_THAT(html, HasSubstr("the loss was not finite in 1 logged step."));
  EXPECT_THAT(html, HasSubstr("1 logged step was skipped"));
}

TEST(RunReport, LaysTheCurvesOfSeveralRunsOverEachOther) {
  RunRecord other = run_named("beta_4");
  other.config[0].value = "9";
  other.pictures = {{"Samples", {{"step 3", kPng}}}};
  const std::string html = report({run_named("beta_1"), other});
  EXPECT_THAT(html, HasSubstr("<h1>beta_1, beta_4</h1>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"key c0\"></span>beta_1</li><li><span class=\"key "
                              "key-dashed c0\"></span>beta_1, validation</li>"
                              "<li><span class=\"key c1\"></span>beta_4</li><li><span class=\"key "
                              "key-dashed c1\"></span>beta_4, validation</li>"));
  EXPECT_THAT(html, HasSubstr("<td>beta_4</td><td>3</td><td>0.41</td>"));
  EXPECT_THAT(html, HasSubstr("<tr "
                              "class=\"marked\"><td><code>train.<wbr>steps</code></td><td><code>3</"
                              "code></td><td><code>9</code></td><td><code>null</code></td></tr>"));
  EXPECT_THAT(html, HasSubstr("<figcaption>beta_4, step 3</figcaption>"));
}

TEST(RunReport, ShowsARunThatHasHardlyBegun) {
  RunRecord run;
  run.name = "new";
  run.config_problem = "config.yaml:3: unknown key 'model.nam'";
  const std::string html = report({run});
  EXPECT_THAT(html, HasSubstr("No step has been logged yet."));
  EXPECT_THAT(html, HasSubstr("unknown key &#39;model.nam&#39;"));
  EXPECT_THROW(report({}), base::BadInput);
}

TEST(RunReport, StaysSmallWithAHundredThousandSteps) {
  RunRecord run = run_named("long");
  for (auto& [name, curve] : run.curves) {
    curve = {};
    for (int step = 1; step <= 100000; ++step) {
      curve.step.push_back(step);
      curve.value.push_back(1.0 + (step * 7919 % 1000) / 500.0);
    }
  }
  EXPECT_LT(report({run}).size(), 300000u);
}

}  // namespace
}  // namespace vae_dist::report
