#include <iostream>
#include <memory>

#include "datasets/import_npz.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct DataImportNpzOptions {
  std::string file, key, out, labels, compress = "gzip:4";
  datasets::ImportNpzOptions import;
};

void import(DataImportNpzOptions options) {
  if (!options.labels.empty()) options.import.labels = options.labels;
  options.import.compression = datasets::Compression::parse(options.compress);
  const std::vector<datasets::ImportedArray> done =
      datasets::import_npz(options.file, options.key, options.out, options.import);
  std::cout << options.out << " is written:";
  for (const datasets::ImportedArray& array : done) {
    std::cout << (&array == &done.front() ? " " : "; ") << array.dataset << " " << array.type
              << " [";
    for (std::size_t i = 0; i < array.shape.size(); ++i)
      std::cout << (i ? ", " : "") << array.shape[i];
    std::cout << "]";
  }
  std::cout << "\n";
}

}  // namespace

void add_data_import_npz(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<DataImportNpzOptions>();
  CLI::App* verb = data.add_subcommand(
      "import-npz", "Convert pictures in a NumPy .npz file (dSprites) to HDF5, streamed");
  verb->add_option("file", options->file, ".npz file")->type_name(completion::kFile)->required();
  verb->add_option("key", options->key,
                   "Name of the array of pictures: [N, H, W], [N, H, W, C] or [N, C, H, W]")
      ->required();
  context.files.add_inputs(*verb, path_of(options->file));
  context.files
      .add_output(*verb, "out", options->out,
                  "HDF5 file to write: `imgs`; `latents/values` and `latents/classes` if the file "
                  "has latents_values and latents_classes")
      ->required();
  verb->add_option("--labels", options->labels,
                   "Name of an array with one row per picture, which becomes `labels`");
  verb->add_option("--compress", options->compress, "none, or gzip:1 (fast) to gzip:9 (small)")
      ->capture_default_str();
  verb->add_option("--threads", options->import.threads, "Compression threads; 0: one per core")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "Examples:\n"
      "  vae_dist data import-npz dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz imgs dsprites.h5\n"
      "  vae_dist data import-npz mnist.npz x_train mnist_train.h5 --labels y_train");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { import(*options); });
  });
}

}  // namespace vae_dist::launcher
