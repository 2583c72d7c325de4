#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/text.hpp"
#include "data/model_input.hpp"
#include "data/sample_dataset.hpp"
#include "datasets/file_description.hpp"
#include "launcher/data_verbs.hpp"
#include "report/sample_pictures.hpp"

namespace vae_dist::launcher {
namespace {

constexpr std::int64_t kPictures = 64;

struct InfoOptions {
  std::string file, picture;
  data::SampleSource source;
};

// Samples that are no images are numbers of any range.
data::SampleDataset opened(data::SampleSource source) {
  data::SampleDataset dataset = data::SampleDataset::open(source);
  if (!dataset.shape().is_image()) {
    source.plain = true;
    dataset = data::SampleDataset::open(source);
  }
  dataset.scale();
  return dataset;
}

// Evenly spaced, so that a dataset sorted by class shows all classes.
void write_picture(const data::SampleDataset& dataset, const std::string& path) {
  const std::int64_t shown = std::min(kPictures, dataset.size());
  data::InputFormat format;
  format.shape = dataset.shape();
  format.layout = dataset.layout();
  format.pixels = dataset.type();
  format.scale = dataset.scale();
  format.channels_last = false;
  std::vector<std::uint8_t> stored(dataset.image_bytes());
  std::vector<at::Tensor> samples;
  for (std::int64_t i = 0; i < shown; ++i) {
    dataset.read(i * dataset.size() / shown, stored);
    samples.push_back(data::model_input(stored, format));
  }
  plot::GridOptions options;
  options.title = dataset.description();
  options.subtitle = shown < dataset.size()
                         ? base::text(shown, " ", dataset.shape().plural(), ", evenly spaced")
                         : base::text("all ", dataset.shape().plural());
  plot::write_image_grid(
      path,
      report::pictures_of(at::cat(samples),
                          dataset.is_plain() ? report::Shades{0, 0} : report::Shades{0, 1}),
      options);
}

void show_info(const InfoOptions& options) {
  data::SampleSource source = options.source;
  source.files = {options.file};
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(options.file);
  // Lists the datasets even if no image dataset can be identified.
  std::cout << datasets::datasets_of(file);
  const data::SampleDataset dataset = opened(source);
  std::cout << datasets::reading_of(dataset);
  if (options.picture.empty()) return;
  write_picture(dataset, options.picture);
  std::cout << "a grid of " << dataset.shape().plural() << " is in " << options.picture << "\n";
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
      ->check([](const std::string& word) {
        const std::string why = arrays::why_not_a_layout(word);
        return why.empty() ? std::string() : base::text("the layout ", word, " ", why);
      })
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
