#include <iostream>
#include <memory>

#include "evaluate/model_pictures.hpp"
#include "launcher/image_output.hpp"
#include "launcher/verbs.hpp"
#include "train/open_data.hpp"
#include "train/picture_files.hpp"
#include "train/trained_model.hpp"

namespace vae_dist {
namespace {

struct RowRange {
  std::int64_t first = 0, last = 0;
};

RowRange parse_rows(const std::string& rows) {
  const std::size_t colon = rows.find(':');
  try {
    if (colon != std::string::npos) {
      std::size_t used_first = 0, used_last = 0;
      const std::string first = rows.substr(0, colon), last = rows.substr(colon + 1);
      const RowRange range{std::stoll(first, &used_first), std::stoll(last, &used_last)};
      if (used_first == first.size() && used_last == last.size() && range.first >= 0 && range.first < range.last) return range;
    }
  } catch (const std::logic_error&) {
    // told below
  }
  throw BadInput(text("--rows ", rows, ": give A:B, rows A to B - 1, for example 0:32"));
}

struct Options {
  std::string checkpoint, data, rows = "0:32", latent = "mean", out;
  std::int64_t seed = 0;
};

void reconstruct_rows(const Options& options) {
  const OutputKind kind = output_kind(options.out);
  const RowRange rows = parse_rows(options.rows);
  TrainedModel trained = load_trained_model(options.checkpoint);
  if (trained.model->latent_kind() == LatentKind::none) throw BadInput(text(trained.origin.string(), " is a decoder_only model: without an encoder there is nothing to reconstruct from"));
  SourceConfig source = trained.config.data.train;
  if (!options.data.empty()) {
    source = SourceConfig{};
    source.file = {options.data};
  }
  const ImageDataset data = open_source(trained.config, source, "--data");
  if (data.shape() != trained.shape)
    throw BadInput(text(data.description(), " does not fit the model, which is for images ", trained.shape.channels, "x", trained.shape.height, "x", trained.shape.width));
  if (rows.last > data.size()) throw BadInput(text("--rows ", options.rows, ": there are ", data.size(), " images"));

  const InputFormat format = input_format(trained.config, data, c10::kCPU);
  const Latent latent = options.latent == "sample" ? Latent::sample : Latent::mean;
  const Reconstructions pairs = reconstruct(*trained.model, data, rows.first, rows.last - rows.first, format, latent, static_cast<std::uint64_t>(options.seed));
  if (kind == OutputKind::png) {
    write_reconstruction_grid(options.out, pairs, format.low, format.high, text(trained.config.run.name, ": reconstructions of rows ", options.rows, ", step ", trained.state.step));
  } else {
    write_images_hdf5(options.out, {{"originals", pairs.originals}, {"reconstructions", pairs.reconstructions}});
  }
  const double mse = (pairs.originals - pairs.reconstructions).square().mean().item<double>() / ((format.high - format.low) * (format.high - format.low));
  std::cout << "rows " << options.rows << " by " << trained.origin.string() << ": MSE " << mse << " (on [0, 1]); pictures are in " << options.out << "\n";
}

}  // namespace

void add_reconstruct_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("reconstruct", "Encode and decode images, beside the originals");
  verb->add_option("--checkpoint", options->checkpoint, "A checkpoint's directory, or a run's (its newest)")->required();
  verb->add_option("--data", options->data, "HDF5 file (default: the run's training data)");
  verb->add_option("--rows", options->rows, "Rows A:B, the last excluded")->capture_default_str();
  verb->add_option("--latent", options->latent, "The posterior's mean, or one sample of it")->check(CLI::IsMember({"mean", "sample"}))->capture_default_str();
  verb->add_option("--seed", options->seed, "For --latent sample")->check(CLI::NonNegativeNumber)->capture_default_str();
  verb->add_option("--out", options->out, "Where to: .png (a labelled grid) or .h5 (`originals`, `reconstructions`, float32 [N, C, H, W])")->required();
  verb->footer("Example:\n  vae_dist reconstruct --checkpoint runs/mnist --data mnist_test.h5 --rows 0:32 --out reconstructions.png");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { reconstruct_rows(*options); }); });
}

}  // namespace vae_dist
