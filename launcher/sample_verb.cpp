#include <iostream>
#include <memory>

#include "evaluate/model_pictures.hpp"
#include "inference/trained_model.hpp"
#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {

void add_sample_verb(CLI::App& app, VerbContext& context) {
  struct Options {
    ModelChoice model;
    ComputeOptions compute;
    std::string out, prior = "normal";
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
          options->prior == "box" ? evaluate::Prior::box : evaluate::Prior::normal);
      const auto normaliser = inference::normaliser_of(trained);
      const auto& range = trained.config.data.range;
      if (kind == OutputKind::png) {
        report::write_sample_grid(options->out, images,
                                  report::showing_of(normaliser, range[0], range[1]),
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
