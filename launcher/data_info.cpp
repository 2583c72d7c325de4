#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>

#include "base/text.hpp"
#include "data/sample_dataset.hpp"
#include "datasets/file_description.hpp"
#include "launcher/data_verbs.hpp"
#include "plot/image_grid.hpp"

namespace vae_dist::launcher {
namespace {

constexpr std::int64_t kPictures = 64;

struct InfoOptions {
  std::string file, picture;
  data::SampleSource source;
};

// Returns an image as it is read, in 256 levels, as height by width by channels.
plot::Picture grey_levels(const data::SampleDataset& dataset,
                          std::span<const std::uint8_t> stored) {
  const arrays::SampleShape& s = dataset.shape();
  plot::Picture out{static_cast<int>(s.space.at(0)), static_cast<int>(s.space.at(1)),
                    static_cast<int>(s.channels),
                    std::vector<std::uint8_t>(static_cast<std::size_t>(s.values()))};
  const bool planes = dataset.layout() == arrays::SampleLayout("CHW");
  const std::int64_t area = s.space[0] * s.space[1];
  for (std::int64_t p = 0; p < area; ++p)
    for (std::int64_t c = 0; c < s.channels; ++c) {
      const auto from = static_cast<std::size_t>(planes ? c * area + p : p * s.channels + c);
      float value = stored[dataset.type() == arrays::PixelType::uint8 ? from : 0];
      if (dataset.type() == arrays::PixelType::float32)
        std::memcpy(&value, stored.data() + from * sizeof value, sizeof value);
      out.pixels[static_cast<std::size_t>(p * s.channels + c)] =
          static_cast<std::uint8_t>(std::clamp(value * dataset.scale() * 255.0 + 0.5, 0.0, 255.0));
    }
  return out;
}

// Evenly spaced, so that a dataset sorted by class shows all classes.
void write_picture(const data::SampleDataset& dataset, const std::string& path) {
  const std::int64_t shown = std::min(kPictures, dataset.size());
  std::vector<plot::Picture> pictures;
  std::vector<std::uint8_t> stored(dataset.image_bytes());
  for (std::int64_t i = 0; i < shown; ++i) {
    dataset.read(i * dataset.size() / shown, stored);
    pictures.push_back(grey_levels(dataset, stored));
  }
  plot::GridOptions options;
  options.title = dataset.description();
  options.subtitle =
      shown < dataset.size() ? base::text(shown, " images, evenly spaced") : "all images";
  plot::write_image_grid(path, pictures, options);
}

void show_info(const InfoOptions& options) {
  data::SampleSource source = options.source;
  source.files = {options.file};
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(options.file);
  // Lists the datasets even if no image dataset can be identified.
  std::cout << datasets::datasets_of(file);
  const data::SampleDataset dataset = data::SampleDataset::open(source, 0);
  std::cout << datasets::reading_of(dataset);
  if (options.picture.empty()) return;
  write_picture(dataset, options.picture);
  std::cout << "a grid of images is in " << options.picture << "\n";
}

}  // namespace

void add_data_info(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* verb = data.add_subcommand(
      "info", "Show what an HDF5 file holds, how its images are read, and whether to convert it");
  verb->add_option("file", options->file, "HDF5 file")->required();
  verb->add_option("--dataset", options->source.datasets,
                   "Path of the dataset, if there are several candidates; several are the channels")
      ->expected(1, -1)
      ->delimiter(',');
  verb->add_option("--layout", options->source.layout,
                   "auto, or a letter for each axis, such as NHWC: N samples, C channels, D H W "
                   "space, V values of a vector")
      ->capture_default_str();
  context.files.add_inputs(*verb, path_of(options->file));
  context.files.add_output(*verb, "--out,--picture", options->picture,
                           "PNG file for a grid of 64 evenly spaced images");
  verb->footer("Example:\n  vae_dist data info shapes.h5 --out shapes.png");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { show_info(*options); });
  });
}

}  // namespace vae_dist::launcher
