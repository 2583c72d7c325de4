#include <iostream>
#include <memory>
#include <optional>

#include "datasets/idx.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {

void add_data_import_idx(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string images;
    std::vector<std::string> rest;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = data.add_subcommand("import-idx", "Convert MNIST's IDX files to HDF5");
  verb->add_option("images", options->images, "IDX file of images, plain or .gz")
      ->type_name(completion::kFile)
      ->required();
  verb->add_option("rest", options->rest,
                   "[LABELS] OUT.h5: the IDX file of labels, if any, and the HDF5 file to write")
      ->type_name(completion::kFile)
      ->required()
      ->expected(1, 2);
  context.files.add_inputs(*verb, [options] {
    std::vector<std::string> read(options->rest.begin(), options->rest.end() - 1);
    read.push_back(options->images);
    return read;
  });
  context.files.add_outputs(*verb, "",
                            [options] { return std::vector<std::string>{options->rest.back()}; });
  verb->footer(
      "Example:\n  vae_dist data import-idx train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz "
      "mnist_train.h5");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const auto labels =
          options->rest.size() == 2 ? std::optional(options->rest[0]) : std::nullopt;
      const std::vector<std::int64_t> shape =
          datasets::import_idx(options->images, labels, options->rest.back());
      std::cout << options->rest.back() << " is written: " << shape[0] << " pictures of "
                << shape[1] << "x" << shape[2] << (labels ? ", with labels" : ", without labels")
                << "\n";
    });
  });
}

}  // namespace vae_dist::launcher
