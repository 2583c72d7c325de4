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
  CLI::App* verb = app.add_subcommand("sample", "Decode samples of the prior");
  add_checkpoint_option(*verb, context, options->model);
  context.files
      .add_output(
          *verb, "--out", options->out,
          "Where to: .png (a labelled grid) or .h5 (dataset `samples`, float32 [N, C, H, W])")
      ->required();
  verb->add_option("--count", options->count, "How many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--seed", options->seed, "Sample i follows from seed and i alone")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--prior", options->prior,
                   "z is drawn from N(0, I), or uniformly from a box: [-1, 1] in each dimension")
      ->check(CLI::IsMember({"normal", "box"}))
      ->capture_default_str();
  verb->add_option("--temperature", options->temperature,
                   "z is multiplied by it: the standard deviation, or half of the box's side")
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
      const auto& range = trained.config.data.range;
      if (kind == OutputKind::png) {
        report::write_sample_grid(options->out, images, range[0], range[1],
                                  base::text(trained.config.run.name, ": ", options->count,
                                             " samples of the prior, step ", trained.state.step));
      } else {
        write_tensors_hdf5(options->out, {{"samples", images}});
      }
      std::cout << options->count << " samples of " << trained.origin.string() << " are in "
                << options->out << "\n";
    });
  });
}

}  // namespace vae_dist::launcher
