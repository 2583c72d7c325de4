#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "evaluate/tiles.hpp"
#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::launcher {
namespace {

constexpr std::int64_t kRows = 32;
// Of larger samples fewer are taken for a picture, and they are written in parts.
constexpr std::int64_t kMostPictured = std::int64_t{1} << 27, kMostAtOnce = std::int64_t{1} << 24;

struct ReconstructOptions {
  ModelChoice model;
  ComputeOptions compute;
  std::string rows, latent = "mean", crop, out;
  inference::DataChoice data;
  std::int64_t seed = 0;
};

// The mean squared error of all known values so far, in the model's units.
class SquaredError {
 public:
  void add(const evaluate::Reconstructions& pairs) {
    const at::Tensor squares = (pairs.originals - pairs.reconstructions).square().to(at::kDouble);
    sum_ += squares.nansum().item<double>();
    known_ += squares.isnan().logical_not().sum().item<std::int64_t>();
  }
  double mean() const { return sum_ / static_cast<double>(known_); }

 private:
  double sum_ = 0;
  std::int64_t known_ = 0;
};

bool takes_tiles(const ReconstructOptions& options, const data::SampleDataset& data,
                 const inference::TrainedModel& trained) {
  if (data.crops()) return options.crop != "middle";
  if (options.crop.empty()) return false;
  throw base::BadInput(base::text("--crop ", options.crop, ": ", trained.origin.string(),
                                  " was trained on whole samples (data.random_crop)"));
}

void reconstruct_rows(const ReconstructOptions& options, const VerbContext& context) {
  const OutputKind kind = output_kind(options.out);
  const inference::TrainedModel trained = load_chosen_model(options.model);
  inference::require_encoder(trained, "reconstruct from");
  const data::SampleDataset data = inference::open_chosen_data(trained, options.data);
  const bool tiles = takes_tiles(options, data, trained);
  const arrays::SampleShape shown{data.shape().channels,
                                  tiles ? data.whole_space() : data.shape().space};
  const auto affordable = [&](std::int64_t values) {
    return std::max<std::int64_t>(1, values / shown.values());
  };
  arrays::RowRange rows = inference::chosen_rows(options.rows, data.size());
  if (options.rows.empty())
    rows.last =
        std::min({rows.last, kRows, kind == OutputKind::png ? affordable(kMostPictured) : kRows});
  const c10::Device device = use_device(options.compute, context.world);
  trained.model->to(device);
  const data::InputFormat format = input::input_format(trained.config, data, device);
  const auto normaliser = inference::normaliser_of(trained);
  const evaluate::Latent latent =
      options.latent == "sample" ? evaluate::Latent::sample : evaluate::Latent::mean;
  SquaredError error;
  const auto reconstructed = [&](std::int64_t first, std::int64_t count) {
    evaluate::Reconstructions pairs =
        (tiles ? evaluate::reconstruct_by_tiles : evaluate::reconstruct)(
            *trained.model, data, first, count, format, latent,
            static_cast<std::uint64_t>(options.seed));
    error.add(pairs);
    return pairs;
  };
  const std::string of_rows = base::text("rows ", rows.first, ":", rows.last),
                    in_tiles =
                        tiles ? base::text(", in tiles of ", data.shape().text()) : std::string();
  if (kind == OutputKind::png) {
    report::write_reconstruction_grid(options.out, reconstructed(rows.first, rows.size()),
                                      report::showing_of(format, data),
                                      base::text(trained.config.run.name, ": reconstructions of ",
                                                 of_rows, in_tiles, ", step ", trained.state.step));
  } else {
    TensorFile file(options.out, rows.size());
    const std::int64_t at_once = affordable(kMostAtOnce);
    for (std::int64_t first = rows.first; first < rows.last; first += at_once) {
      const evaluate::Reconstructions pairs =
          reconstructed(first, std::min(at_once, rows.last - first));
      NamedTensors all = samples_for_file("originals", pairs.originals, normaliser.get());
      for (auto& made :
           samples_for_file("reconstructions", pairs.reconstructions, normaliser.get()))
        all.push_back(std::move(made));
      file.append(all);
    }
    file.commit();
  }
  const double range = format.high - format.low;
  std::cout << of_rows << " reconstructed by " << trained.origin.string() << in_tiles << ": MSE "
            << error.mean() / (range * range) << (normaliser ? " (normalised)" : " (on [0, 1])")
            << "; the pictures are in " << options.out << "\n";
}

}  // namespace

void add_reconstruct_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<ReconstructOptions>();
  CLI::App* verb = app.add_subcommand(
      "reconstruct", "Encode and decode images, and show them next to the originals");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  verb->add_option("--rows", options->rows,
                   "Rows A:B, excluding B (default: the first 32; of samples with millions of "
                   "values, fewer for a picture)");
  verb->add_option(
          "--crop", options->crop,
          "Of a model trained on crops (data.random_crop). tiles (default): whole samples, "
          "cut into tiles of the crop's size, the last of each axis moved inwards; where "
          "two overlap, the one whose middle is nearer counts. middle: the crop in the "
          "middle of each sample, as in evaluations")
      ->check(CLI::IsMember({"tiles", "middle"}));
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
