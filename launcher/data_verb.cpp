#include <iostream>
#include <memory>
#include <optional>

#include "data/image_dataset.hpp"
#include "datasets/idx.hpp"
#include "datasets/shapes.hpp"
#include "launcher/verbs.hpp"
#include "picture/image_grid.hpp"
#include "train/start_table.hpp"

namespace vae_dist {
namespace {

void add_make_shapes(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string out;
    ShapesOptions shapes;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = data.add_subcommand("make-shapes", "Make the built-in dataset: shapes drawn from dSprites' factors");
  verb->add_option("out", options->out, "HDF5 file to write: `imgs`, `latents/values`, `latents/classes`")->required();
  verb->add_option("--count", options->shapes.count, "How many images")->capture_default_str();
  verb->add_option("--size", options->shapes.size, "Height and width, pixels")->capture_default_str();
  verb->add_option("--channels", options->shapes.channels, "1 (grey) or 3 (colour)")->capture_default_str();
  verb->add_option("--seed", options->shapes.seed, "Image i follows from seed and i alone")->capture_default_str();
  verb->footer("Example:\n  vae_dist data make-shapes shapes.h5 --count 20000 --size 64 --channels 3");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { make_shapes(options->out, options->shapes); }); });
}

void add_import_idx(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string images;
    std::vector<std::string> rest;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = data.add_subcommand("import-idx", "Convert MNIST's own files to HDF5");
  verb->add_option("images", options->images, "IDX file of images, plain or .gz")->required();
  verb->add_option("rest", options->rest, "[LABELS] OUT.h5: the IDX file of labels, if any, and the HDF5 file to write")->required()->expected(1, 2);
  verb->footer("Example:\n  vae_dist data import-idx train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz mnist_train.h5");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const auto labels = options->rest.size() == 2 ? std::optional(options->rest[0]) : std::nullopt;
      import_idx(options->images, labels, options->rest.back());
      std::cout << options->rest.back() << " is written\n";
    });
  });
}

struct InfoOptions {
  std::string file, picture;
  ImageSource source;
};

void write_picture(const ImageDataset& dataset, const std::string& path) {
  const ImageShape& s = dataset.shape();
  std::vector<Picture> pictures;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(64, dataset.size()); ++i) {
    Picture picture{static_cast<int>(s.height), static_cast<int>(s.width), static_cast<int>(s.channels), std::vector<std::uint8_t>(static_cast<std::size_t>(s.values()))};
    dataset.read(i, picture.pixels);
    if (dataset.layout() == ImageLayout::nchw) {
      const std::vector<std::uint8_t> planes = picture.pixels;
      const std::int64_t area = s.height * s.width;
      for (std::int64_t p = 0; p < area; ++p)
        for (std::int64_t c = 0; c < s.channels; ++c) picture.pixels[static_cast<std::size_t>(p * s.channels + c)] = planes[static_cast<std::size_t>(c * area + p)];
    }
    for (auto& value : picture.pixels) value = static_cast<std::uint8_t>(std::min(255.0, value * dataset.scale() * 255.0 + 0.5));
    pictures.push_back(std::move(picture));
  }
  GridOptions options;
  options.title = dataset.description();
  write_image_grid(path, pictures, options);
}

void show_info(const InfoOptions& options) {
  ImageSource source = options.source;
  source.files = {options.file};
  const Hdf5File file = Hdf5File::open(options.file);
  for (const std::string& path : file.dataset_paths()) {
    const Hdf5Dataset d = file.dataset(path);
    std::cout << path << ": " << d.type_name() << " [";
    for (std::size_t i = 0; i < d.shape().size(); ++i) std::cout << (i ? ", " : "") << d.shape()[i];
    std::cout << "], " << (d.chunk().empty() ? "not chunked" : text("chunks of ", d.chunk()[0], " rows")) << ", filters: " << d.filters() << ", "
              << format_bytes(static_cast<double>(d.stored_bytes())) << " in the file\n";
  }
  const ImageDataset dataset = ImageDataset::open(source, 0);
  std::cout << "read as " << dataset.description() << "\nfingerprint " << dataset.fingerprint() << "\n";
  if (options.picture.empty()) return;
  write_picture(dataset, options.picture);
  std::cout << "the first images are in " << options.picture << "\n";
}

void add_info(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* verb = data.add_subcommand("info", "Say what an HDF5 file holds and how its images are read");
  verb->add_option("file", options->file, "HDF5 file")->required();
  verb->add_option("--dataset", options->source.dataset, "Path of the images, where there are several candidates");
  verb->add_option("--layout", options->source.layout, "auto, NHW, NHWC or NCHW")->check(CLI::IsMember({"auto", "NHW", "NHWC", "NCHW"}))->capture_default_str();
  verb->add_option("--picture", options->picture, "PNG file for a grid of the first 64 images");
  verb->footer("Example:\n  vae_dist data info shapes.h5 --picture shapes.png");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { show_info(*options); }); });
}

}  // namespace

void add_data_verb(CLI::App& app, VerbContext& context) {
  CLI::App* verb = app.add_subcommand("data", "Make, import and look at datasets");
  verb->require_subcommand(1);
  add_make_shapes(*verb, context);
  add_import_idx(*verb, context);
  add_info(*verb, context);
}

}  // namespace vae_dist
