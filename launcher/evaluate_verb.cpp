#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"
#include "comm/agreement.hpp"
#include "evaluate/channel_report.hpp"
#include "inference/evaluated_data.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct EvaluateOptions {
  ModelChoice model;
  std::string rows, json;
  inference::DataChoice data;
  ComputeOptions compute;
  std::optional<std::int64_t> importance_samples;
  std::int64_t coverage = 1000;
  bool latent_statistics = false, channels = false, total_correlation = false;
};

// Against the posteriors of the run's own training rows, whatever is evaluated.
evaluate::AggregateParts aggregate_parts(const inference::TrainedModel& trained,
                                         const step::ResolvedObjective& objective,
                                         c10::Device device, const comm::MpiWorld& world,
                                         comm::CpuCommunicator& all_ranks) {
  inference::DataChoice training;
  training.split = "train";
  const inference::SharedData data =
      inference::open_shared_data(trained, training, world, all_ranks);
  // The training rows may be stored in another way than those that are evaluated.
  const evaluate::EvaluationOptions how = inference::evaluation_options(
      trained.config, objective, data.images, {0, data.images.size()}, trained.state.step, device);
  return evaluate::aggregate_parts(*trained.model, data.images, how.format, how.block, how.seed,
                                   all_ranks);
}

base::ExitCode evaluate_checkpoint(const EvaluateOptions& options, const comm::MpiWorld& world) {
  log::configure(world.rank(), world.size(), log::Level::info);
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  const inference::TrainedModel trained = load_chosen_model(options.model, *all_ranks);
  c10::Device device = c10::kCPU;
  comm::agree(*all_ranks, [&] { device = use_device(options.compute, world); });
  const inference::SharedData data =
      inference::open_shared_data(trained, options.data, world, *all_ranks);
  arrays::RowRange samples;
  step::ResolvedObjective resolved;
  comm::agree(*all_ranks, [&] {
    samples = inference::chosen_rows(options.rows, data.images.size());
    if (options.latent_statistics)
      inference::require_encoder(trained, "take statistics of (--latent-statistics)");
    if (options.total_correlation && trained.model->latent_kind() != base::LatentKind::posterior)
      throw base::BadInput("--total-correlation needs a variational model: " +
                           trained.origin.string() + " has no posterior");
    resolved = inference::objective_of(trained);
    step::check_likelihood_fits(trained.config, data.images);
  });

  trained.model->to(device);
  evaluate::EvaluationOptions how = inference::evaluation_options(
      trained.config, resolved, data.images, samples, trained.state.step, device);
  if (options.importance_samples) how.importance_samples = *options.importance_samples;
  evaluate::FullEvaluation result = evaluate::evaluate_fully(
      *trained.model, objective::Objective(resolved.options, *trained.model), data.images, how,
      options.coverage, *all_ranks);
  if (options.latent_statistics)
    result.latent_statistics =
        evaluate::latent_statistics(*trained.model, data.images, samples, how.format, how.block,
                                    trained.config.model.latent_dim, *all_ranks);
  const bool regularised =
      std::any_of(resolved.options.regularisers.begin(), resolved.options.regularisers.end(),
                  [](const auto& each) { return each.estimates_total_correlation; });
  if (options.total_correlation || regularised) {
    try {
      result.aggregate = aggregate_parts(trained, resolved, device, world, *all_ranks);
    } catch (const comm::AgreedError& error) {
      if (options.total_correlation) throw;
      if (world.rank() == 0)
        log::warn(base::text("no total correlation against the training rows: ", error.what()));
    }
  }
  const bool show_channels = options.channels || evaluate::has_telling_channels(how.format);
  if (show_channels || !options.json.empty())
    result.channel_figures =
        evaluate::channel_figures(*trained.model, data.images, how, *all_ranks);

  comm::agree_on_rank_0(*all_ranks, [&] {
    const evaluate::EvaluationSubject subject =
        inference::evaluation_subject(trained, resolved, data.images, samples);
    std::cout << evaluate::evaluation_table(subject, result);
    if (show_channels) std::cout << evaluate::channel_tables(*result.channel_figures);
    if (!how.is_likelihood)
      std::cout << "  no ELBO, bits/dim or log p: bernoulli's negative logarithm of grey images is "
                   "a loss, but not a likelihood\n";
    if (!options.json.empty())
      base::replace_file(options.json,
                         base::json_text(evaluate::evaluation_json(subject, result), 2) + "\n");
  });
  return base::ExitCode::done;
}

}  // namespace

void add_evaluate_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* verb = app.add_subcommand("evaluate",
                                      "Measure how good a model is: loss, bounds, errors, latents, "
                                      "samples; under mpirun the ranks share the work");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  verb->add_option("--rows", options->rows, "Rows A:B, excluding B (default: all)");
  verb->add_option(
          "--importance-samples", options->importance_samples,
          "Draws per sample for log p(x), of a conditional model log p(x|y) (default: the run's "
          "evaluate.importance_samples; 0: none)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option(
          "--coverage", options->coverage,
          "Number of prior samples, and of real images, for coverage and density (0: none)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_flag(
      "--latent-statistics", options->latent_statistics,
      "Also mean and deviation of the code over these rows, by dimension and by channel: "
      "shift and scaling factor of a latent diffusion model");
  verb->add_flag("--total-correlation", options->total_correlation,
                 "Also the total correlation of the code, the mutual information of sample and "
                 "code, and the KL by dimension, against the posteriors of all training rows; done "
                 "anyway if the objective has tc or factor");
  verb->add_flag(
      "--channels", options->channels,
      "Also show each channel's errors, power and distribution, as is done anyway unless "
      "the data are pictures in grey or colour");
  context.files.add_output(*verb, "--json", options->json, "Also write all figures to this file");
  add_compute_options(*verb, options->compute);
  verb->footer(
      "Examples:\n  vae_dist evaluate --checkpoint runs/mnist --data mnist_test.h5 "
      "--importance-samples 200\n"
      "  mpirun -np 8 vae_dist evaluate --checkpoint runs/mnist --json mnist.json");
  verb->callback([&context, options] {
    context.chosen = [&context, options] { return evaluate_checkpoint(*options, context.world); };
  });
}

}  // namespace vae_dist::launcher
