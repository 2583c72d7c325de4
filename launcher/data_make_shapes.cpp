#include <iostream>
#include <memory>

#include "launcher/data_verbs.hpp"
#include "synthetic/shapes.hpp"

namespace vae_dist::launcher {

void add_data_make_shapes(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string out;
    synthetic::ShapesOptions shapes;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = data.add_subcommand(
      "make-shapes", "Make the built-in dataset: shapes drawn from the factors of dSprites");
  context.files
      .add_output(*verb, "out", options->out,
                  "HDF5 file to write: `imgs`, `latents/values`, `latents/classes`")
      ->required();
  verb->add_option("--count", options->shapes.count, "Number of images")->capture_default_str();
  verb->add_option("--size", options->shapes.size, "Height and width in pixels")
      ->capture_default_str();
  verb->add_option("--channels", options->shapes.channels, "1 (grey) or 3 (colour)")
      ->capture_default_str();
  verb->add_option("--seed", options->shapes.seed,
                   "Random seed; image i depends only on the seed and i")
      ->capture_default_str();
  verb->footer(
      "Example:\n  vae_dist data make-shapes shapes.h5 --count 20000 --size 64 --channels 3");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      synthetic::make_shapes(options->out, options->shapes);
      std::cout << options->out << " is written: " << options->shapes.count << " pictures of "
                << options->shapes.size << "x" << options->shapes.size
                << (options->shapes.channels == 3 ? ", RGB" : ", grey") << ", with their factors\n";
    });
  });
}

}  // namespace vae_dist::launcher
