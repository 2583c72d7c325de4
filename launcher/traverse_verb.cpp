#include <ATen/ATen.h>

#include <iostream>
#include <memory>
#include <optional>

#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {
namespace {

struct TraverseOptions {
  ModelChoice model;
  ComputeOptions compute;
  std::string out;
  inference::DataChoice data;
  std::string condition;
  evaluate::TraversalOptions walk;
  std::optional<double> deviations, quantile;
};

// An autoencoder has no prior, so its range is that of its codes.
evaluate::TraversalRange range_of(const TraverseOptions& options,
                                  const inference::TrainedModel& trained) {
  evaluate::TraversalRange range;
  range.quantile = options.quantile;
  if (options.deviations) range.deviations = *options.deviations;
  if (trained.model->codes() && (options.deviations || options.quantile))
    throw base::BadInput(base::text("--range and --quantiles are of a latent of numbers, and ",
                                    trained.origin.string(),
                                    " has codes (model.codes), of which a traversal takes the most "
                                    "frequent ones"));
  if (trained.model->latent_kind() != base::LatentKind::point) return range;
  if (options.deviations)
    throw base::BadInput(base::text("--range is in standard deviations of the prior, and ",
                                    trained.origin.string(),
                                    " is an autoencoder, which has no prior. Use --quantiles"));
  if (!range.quantile) range.quantile = evaluate::TraversalRange::kOutermost;
  return range;
}

void traverse_row(TraverseOptions options, const VerbContext& context) {
  const OutputKind kind = output_kind(options.out);
  const inference::TrainedModel trained = load_chosen_model(options.model);
  inference::require_encoder(trained, "start from");
  const data::SampleDataset data = inference::open_chosen_data(trained, options.data);
  if (options.walk.row >= data.size())
    throw base::BadInput(base::text("--row ", options.walk.row, ": there are ", data.size(),
                                    " images; the last is row ", data.size() - 1));
  options.walk.range = range_of(options, trained);
  options.walk.condition = written_condition(options.condition, trained);
  options.walk.seed = static_cast<std::uint64_t>(trained.config.run.seed);

  const c10::Device device = use_device(options.compute, context.world);
  trained.model->to(device);
  const data::InputFormat format = input::input_format(trained.config, data, device);
  const evaluate::Traversals walks = evaluate::traverse(*trained.model, data, format, options.walk);
  using Of = evaluate::Traversals::Of;
  const bool of_codes = walks.of == Of::codes;
  if (kind == OutputKind::png) {
    report::write_traversal_grid(options.out, walks, report::showing_of(format, data),
                                 base::text(trained.config.run.name, ": traversals from row ",
                                            options.walk.row, ", step ", trained.state.step));
  } else {
    NamedTensors all =
        samples_for_file("traversals", walks.images, inference::normaliser_of(trained).get());
    all.insert(all.end(), {{"values", walks.values},
                           {"dimensions", at::tensor(walks.dimensions, at::kLong)},
                           {walks.of == Of::posteriors ? "kld_nats"
                            : of_codes                 ? "entropy_nats"
                                                       : "variance",
                            at::tensor(walks.weights, at::kDouble)},
                           {"places", at::tensor(walks.positions, at::kDouble)}});
    write_tensors_hdf5(options.out, all);
  }
  std::cout << walks.dimensions.size() << " of "
            << (of_codes ? trained.model->codes()->vectors() : trained.model->latent_values())
            << (of_codes ? " vectors of " : " dimensions of ") << trained.origin.string() << ", in "
            << evaluate::unit_of(walks) << ", are in " << options.out << "\n";
}

}  // namespace

void add_traverse_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<TraverseOptions>();
  CLI::App* verb = app.add_subcommand(
      "traverse",
      "Vary one latent dimension of an image's code at a time, starting with the largest KL");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  add_condition_option(*verb, options->condition, "default: the row's own");
  verb->add_option("--row", options->walk.row, "The image whose code is the starting point")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--dimensions", options->walk.dimensions,
                   "Number of dimensions, starting with the largest KL (over up to 2,000 images)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--steps", options->walk.steps, "Images per dimension")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str();
  CLI::Option* range = verb->add_option("--range", options->deviations,
                                        "Vary each dimension from minus to plus this many standard "
                                        "deviations of the prior (default: 3)")
                           ->check(CLI::PositiveNumber);
  verb->add_option("--quantiles", options->quantile,
                   "Instead of --range: go from this quantile of the aggregate posterior to its "
                   "counterpart, for example 0.01")
      ->check(CLI::Range(0.0, 0.499))
      ->excludes(range);
  context.files
      .add_output(*verb, "--out", options->out,
                  "Output file: .png (a labelled grid) or .h5 (`traversals` [D, S, C, H, W], "
                  "`values` [D, S], `dimensions`, `kld_nats`, `places`)")
      ->required();
  add_device_option(*verb, options->compute);
  verb->footer(
      "Examples:\n  vae_dist traverse --checkpoint runs/mnist --row 7 --out traversals.png\n"
      "  vae_dist traverse --checkpoint runs/mnist --quantiles 0.01 --dimensions 5 --out "
      "traversals.h5");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [&context, options] { traverse_row(*options, context); });
  });
}

}  // namespace vae_dist::launcher
