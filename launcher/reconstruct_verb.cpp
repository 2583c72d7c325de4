#include <iostream>
#include <memory>

#include "evaluate/model_pictures.hpp"
#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {
namespace {

struct ReconstructOptions {
  ModelChoice model;
  ComputeOptions compute;
  std::string rows = "0:32", latent = "mean", out;
  inference::DataChoice data;
  std::int64_t seed = 0;
};

void reconstruct_rows(const ReconstructOptions& options, const VerbContext& context) {
  const OutputKind kind = output_kind(options.out);
  const inference::TrainedModel trained = load_chosen_model(options.model);
  inference::require_encoder(trained, "reconstruct from");
  const data::SampleDataset data = inference::open_chosen_data(trained, options.data);
  const arrays::RowRange rows = inference::chosen_rows(options.rows, data.size());
  const c10::Device device = use_device(options.compute, context.world);
  trained.model->to(device);
  const data::InputFormat format = input::input_format(trained.config, data, device);
  const auto normaliser = inference::normaliser_of(trained);
  const evaluate::Latent latent =
      options.latent == "sample" ? evaluate::Latent::sample : evaluate::Latent::mean;
  const evaluate::Reconstructions pairs =
      evaluate::reconstruct(*trained.model, data, rows.first, rows.size(), format, latent,
                            static_cast<std::uint64_t>(options.seed));
  if (kind == OutputKind::png) {
    report::write_reconstruction_grid(
        options.out, pairs, report::showing_of(format, data),
        base::text(trained.config.run.name, ": reconstructions of rows ", options.rows, ", step ",
                   trained.state.step));
  } else {
    NamedTensors all = samples_for_file("originals", pairs.originals, normaliser.get());
    for (auto& made : samples_for_file("reconstructions", pairs.reconstructions, normaliser.get()))
      all.push_back(std::move(made));
    write_tensors_hdf5(options.out, all);
  }
  const double mse = (pairs.originals - pairs.reconstructions).square().mean().item<double>() /
                     ((format.high - format.low) * (format.high - format.low));
  std::cout << "rows " << options.rows << " reconstructed by " << trained.origin.string()
            << ": MSE " << mse << (normaliser ? " (normalised)" : " (on [0, 1])")
            << "; the pictures are in " << options.out << "\n";
}

}  // namespace

void add_reconstruct_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<ReconstructOptions>();
  CLI::App* verb = app.add_subcommand(
      "reconstruct", "Encode and decode images, and show them next to the originals");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  verb->add_option("--rows", options->rows, "Rows A:B, excluding B")->capture_default_str();
  verb->add_option("--latent", options->latent,
                   "Use the mean of the posterior, or one sample of it")
      ->check(CLI::IsMember({"mean", "sample"}))
      ->capture_default_str();
  verb->add_option("--seed", options->seed, "Random seed for --latent sample")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.files
      .add_output(
          *verb, "--out", options->out,
          "Output file: .png (a labelled grid) or .h5 (`originals`, `reconstructions`, "
          "float32 [N, C, space...]; unless data.normalize is scale, in the units, axes and "
          "datasets of the training file)")
      ->required();
  add_device_option(*verb, options->compute);
  verb->footer(
      "Example:\n  vae_dist reconstruct --checkpoint runs/mnist --data mnist_test.h5 --rows 0:32 "
      "--out reconstructions.png");
  verb->callback([&context, options] {
    context.chosen =
        on_one_rank(context, [&context, options] { reconstruct_rows(*options, context); });
  });
}

}  // namespace vae_dist::launcher
