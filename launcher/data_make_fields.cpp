#include <iostream>
#include <memory>

#include "launcher/data_verbs.hpp"
#include "synthetic/gaussian_fields.hpp"

namespace vae_dist::launcher {

void add_data_make_fields(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string out, compress = "none";
    synthetic::FieldsOptions fields;
  };
  auto options = std::make_shared<Options>();
  synthetic::FieldsOptions& fields = options->fields;
  CLI::App* verb = data.add_subcommand(
      "make-fields",
      "Make periodic Gaussian random fields of known statistics, stored as The Well stores fields");
  context.files
      .add_output(*verb, "out", options->out,
                  "HDF5 file to write: `t0_fields/<channel>` [trajectory, time, x(, y(, z))]")
      ->required();
  verb->add_option("--count", fields.trajectories, "Number of trajectories")->capture_default_str();
  verb->add_option("--frames", fields.frames, "Frames of each trajectory")->capture_default_str();
  verb->add_option("--size", fields.size, "Points along each of 1 to 3 axes of space")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("N,N,...")
      ->capture_default_str();
  verb->add_option("--channels", fields.channels, "Names of the channels")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME,...")
      ->capture_default_str();
  verb->add_option("--mean", fields.means, "Mean of the channels, or one for each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("X,...")
      ->capture_default_str();
  verb->add_option("--deviation", fields.deviations,
                   "Standard deviation of the channels, or one for each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("X,...")
      ->capture_default_str();
  verb->add_option("--correlation", fields.correlation, "Correlation of any two channels, 0 to 1")
      ->capture_default_str();
  verb->add_option("--slope", fields.slope,
                   "Power falls as (1 + (k / knee)^2)^(-slope / 2), k waves in the box")
      ->capture_default_str();
  verb->add_option("--knee", fields.knee, "Waves in the box from which on power falls")
      ->capture_default_str();
  verb->add_option("--correlation-time", fields.correlation_time,
                   "Correlation in time is exp(-frames / this); 0: frames are independent")
      ->capture_default_str();
  verb->add_option("--compress", options->compress,
                   "none (contiguous), or gzip:1 (fast) to gzip:9 (small) in chunks")
      ->capture_default_str();
  verb->add_option("--seed", fields.seed,
                   "Random seed; trajectory i depends only on the seed, i and these options")
      ->capture_default_str();
  verb->add_option("--threads", fields.threads, "Threads; 0: one per core")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "The file's attributes state its statistics.\n"
      "Examples:\n"
      "  vae_dist data make-fields fields.h5 --count 500 --size 32,32\n"
      "  vae_dist data make-fields volumes.h5 --size 32,32,32 --channels rho,T --mean 1,300 "
      "--deviation 0.1,25");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      options->fields.compression = datasets::Compression::parse(options->compress);
      synthetic::make_gaussian_fields(options->out, options->fields);
      std::cout << options->out << " is written: " << options->fields.trajectories
                << " trajectories of " << options->fields.frames << " frames of ";
      for (std::size_t axis = 0; axis < options->fields.size.size(); ++axis)
        std::cout << (axis > 0 ? "x" : "") << options->fields.size[axis];
      std::cout << " points, " << options->fields.channels.size()
                << (options->fields.channels.size() == 1 ? " channel\n" : " channels\n");
    });
  });
}

}  // namespace vae_dist::launcher
