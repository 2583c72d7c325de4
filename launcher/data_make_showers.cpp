#include <iostream>
#include <memory>
#include <tuple>
#include <utility>

#include "launcher/data_verbs.hpp"
#include "synthetic/showers.hpp"

namespace vae_dist::launcher {

void add_data_make_showers(CLI::App& data, VerbContext& context) {
  struct Options {
    std::string out, compress = "gzip:4";
    std::pair<double, double> energies;
    synthetic::ShowersOptions showers;
  };
  auto options = std::make_shared<Options>();
  synthetic::ShowersOptions& showers = options->showers;
  options->energies = {showers.least_energy, showers.largest_energy};
  CLI::App* verb = data.add_subcommand("make-showers",
                                       "Make showers of particles in a calorimeter of known "
                                       "statistics, stored as the CaloChallenge stores them");
  context.files
      .add_output(*verb, "out", options->out,
                  "HDF5 file to write: `showers`, `incident_energies`, `lost_energies`")
      ->required();
  verb->add_option("--count", showers.count, "Number of showers")->capture_default_str();
  verb->add_option("--energies", options->energies,
                   "Least and largest incident energy in MeV; log-uniform between them")
      ->delimiter(',')
      ->type_name("MEV,MEV")
      ->default_str("1000,100000");
  verb->add_option("--share", showers.share, "Share of the energy that is seen on average")
      ->capture_default_str();
  verb->add_option("--particle-energy", showers.particle_energy,
                   "Energy in MeV of the particles that a shower ends as; more of them make it "
                   "narrower")
      ->capture_default_str();
  verb->add_option("--layers", showers.layers, "Voxels in depth")->capture_default_str();
  verb->add_option("--rings", showers.rings, "Voxels from the centre outwards")
      ->capture_default_str();
  verb->add_option("--sectors", showers.sectors, "Voxels around the centre")->capture_default_str();
  verb->add_option("--compress", options->compress,
                   "none (contiguous), or gzip:1 (fast) to gzip:9 (small) in chunks")
      ->capture_default_str();
  verb->add_option("--seed", showers.seed,
                   "Random seed; shower i depends only on the seed, i and these options")
      ->capture_default_str();
  verb->add_option("--threads", showers.threads, "Threads; 0: one per core")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "The attributes of `showers` state their statistics.\n"
      "Example:\n  vae_dist data make-showers showers.h5 --count 20000 --energies 1000,100000");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      synthetic::ShowersOptions& made = options->showers;
      std::tie(made.least_energy, made.largest_energy) = options->energies;
      made.compression = datasets::Compression::parse(options->compress);
      synthetic::make_showers(options->out, made);
      std::cout << options->out << " is written: " << made.count << " showers of "
                << made.layers * made.rings * made.sectors << " voxels, with their energies\n";
    });
  });
}

}  // namespace vae_dist::launcher
