#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "evaluate/model_pictures.hpp"
#include "evaluate/read_samples.hpp"
#include "inference/trained_model.hpp"
#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {
namespace {

// Returns the condition of each sample, [count, Y] or [1, Y]; undefined for a model without any.
at::Tensor conditions_for(const std::string& condition, const std::string& rows,
                          const inference::DataChoice& choice,
                          const inference::TrainedModel& trained, std::int64_t count) {
  if (!condition.empty()) return written_condition(condition, trained);
  const conditions::Conditions known = inference::conditions_of(trained);
  if (rows.empty()) {
    if (known.empty()) return {};
    throw base::BadInput(base::text(trained.origin.string(), " is conditional: say under which ",
                                    known.description(),
                                    " to sample, with --condition name=value,... or "
                                    "--condition-rows A:B"));
  }
  if (known.empty())
    throw base::BadInput(base::text("--condition-rows ", rows, ": ", trained.origin.string(),
                                    " is told nothing but the samples (data.train.condition)"));
  const data::SampleDataset data = inference::open_chosen_data(trained, choice);
  const arrays::RowRange range = inference::chosen_rows(rows, data.size());
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < count; ++i) samples.push_back(range.first + i % range.size());
  return evaluate::conditions_of(data, samples,
                                 input::input_format(trained.config, data, c10::kCPU));
}

}  // namespace

void add_sample_verb(CLI::App& app, VerbContext& context) {
  struct Options {
    ModelChoice model;
    ComputeOptions compute;
    inference::DataChoice data;
    std::string out, prior = "normal", values = "mean", condition, condition_rows;
    std::int64_t count = 64, seed = 0;
    double temperature = 1.0;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("sample", "Decode samples from the prior");
  add_checkpoint_option(*verb, context, options->model);
  context.files
      .add_output(
          *verb, "--out", options->out,
          "Output file: .png (a labelled grid) or .h5 (dataset `samples`, float32 [N, C, "
          "space...]; "
          "unless data.normalize is scale, in the units, axes and datasets of the training file)")
      ->required();
  verb->add_option("--count", options->count, "Number of samples")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--seed", options->seed, "Random seed; sample i depends only on the seed and i")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option(
          "--prior", options->prior,
          "Draw z from N(0, I) (normal), or uniformly from [-1, 1] in each dimension (box)")
      ->check(CLI::IsMember({"normal", "box"}))
      ->capture_default_str();
  verb->add_option("--temperature", options->temperature,
                   "Factor that multiplies z: the standard deviation, or half of the box's side")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--values", options->values,
                   "mean: E[x|z]; sample: a draw of p(x|z), with the likelihood's noise")
      ->check(CLI::IsMember({"mean", "sample"}))
      ->capture_default_str();
  add_condition_option(*verb, options->condition, "needed for such a model, or --condition-rows");
  verb->add_option("--condition-rows", options->condition_rows,
                   "Instead of --condition: those of rows A to B - 1 of the data, in turn")
      ->excludes("--condition");
  add_data_options(*verb, context, options->data);
  add_device_option(*verb, options->compute);
  verb->footer("Example:\n  vae_dist sample --checkpoint runs/mnist --count 64 --out samples.png");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [&context, options] {
      const OutputKind kind = output_kind(options->out);
      const inference::TrainedModel trained = load_chosen_model(options->model);
      trained.model->to(use_device(options->compute, context.world));
      const at::Tensor images = evaluate::sample_prior(
          *trained.model, options->count, static_cast<std::uint64_t>(options->seed),
          options->temperature,
          options->prior == "box" ? evaluate::Prior::box : evaluate::Prior::normal,
          conditions_for(options->condition, options->condition_rows, options->data, trained,
                         options->count),
          options->values == "sample" ? evaluate::Values::sample : evaluate::Values::mean);
      const auto normaliser = inference::normaliser_of(trained);
      const auto& range = trained.config.data.range;
      if (kind == OutputKind::png) {
        report::write_sample_grid(
            options->out, images,
            report::showing_of(normaliser, range[0], range[1], inference::arrays_of(trained)),
            base::text(trained.config.run.name, ": ", options->count,
                       " samples of the prior, step ", trained.state.step));
      } else {
        write_tensors_hdf5(options->out, samples_for_file("samples", images, normaliser.get()));
      }
      std::cout << options->count << " samples of " << trained.origin.string() << " are in "
                << options->out << "\n";
    });
  });
}

}  // namespace vae_dist::launcher
