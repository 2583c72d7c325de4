#include <iostream>
#include <memory>
#include <optional>

#include "datasets/idx.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist {

void add_data_import_idx(CLI::App& data, VerbContext& context) {
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

}  // namespace vae_dist
