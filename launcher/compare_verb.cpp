#include <ATen/ATen.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "comm/agreement.hpp"
#include "inference/checkpoint_place.hpp"
#include "inference/compared_models.hpp"
#include "launcher/image_output.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct CompareOptions {
  inference::ComparisonOptions comparison;
  ComputeOptions compute;
  std::string out, json;
  std::int64_t count = 8, seed = 0;
  bool best = false;
};

std::vector<std::string> checkpoints_of(const CompareOptions& options) {
  std::vector<std::string> out;
  for (const std::string& place : options.comparison.places)
    out.push_back(
        inference::named_checkpoint(options.best ? inference::best_of(place) : place).string());
  return out;
}

void write_pictures(const CompareOptions& options,
                    const std::vector<inference::ComparedModel>& models) {
  const inference::ComparedPictures pictures = inference::compare_pictures(
      options.comparison, models, options.count, static_cast<std::uint64_t>(options.seed));
  if (output_kind(options.out) == OutputKind::png) {
    report::write_comparison_grid(options.out, pictures.inputs, pictures.models,
                                  "The same inputs by each model, and samples of each");
    return;
  }
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  if (pictures.inputs.defined()) tensors.emplace_back("inputs", pictures.inputs);
  for (const report::ComparedImages& model : pictures.models) {
    if (model.reconstructions.defined())
      tensors.emplace_back(model.name + "/reconstructions", model.reconstructions);
    tensors.emplace_back(model.name + "/samples", model.samples);
  }
  write_tensors_hdf5(options.out, tensors);
}

base::ExitCode compare(CompareOptions options, const comm::MpiWorld& world) {
  log::configure(world.rank(), world.size(), log::Level::warn);
  const std::unique_ptr<comm::HostCommunicator> host = world.make_communicator();
  comm::agree(*host, [&] {
    if (!options.out.empty()) output_kind(options.out);
    options.comparison.places = checkpoints_of(options);
    options.comparison.device = use_device(options.compute, world);
  });
  const std::vector<inference::ComparedModel> models =
      inference::compare_models(options.comparison, world, *host);
  comm::agree_on_rank_0(*host, [&] {
    std::cout << inference::comparison_table(models);
    if (!options.json.empty())
      base::replace_file(options.json,
                         base::json_text(inference::comparison_json(models), 2) + "\n");
    if (options.out.empty()) return;
    write_pictures(options, models);
    std::cout << "the same inputs by each, and samples of each, are in " << options.out << "\n";
  });
  return base::ExitCode::done;
}

}  // namespace

void add_compare_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<CompareOptions>();
  inference::ComparisonOptions& comparison = options->comparison;
  CLI::App* verb = app.add_subcommand("compare",
                                      "Several models on the same images: one table, one picture; "
                                      "under mpirun the ranks share the work");
  verb->add_option("runs", comparison.places,
                   "Checkpoints' directories, or runs': their newest; RUN@best and RUN@1000 are "
                   "others of them")
      ->required();
  verb->add_flag("--best", options->best,
                 "Of each run the checkpoint with the best validation loss, instead of the newest: "
                 "as RUN@best");
  context.files.add_inputs(*verb, [options] { return checkpoints_of(*options); });
  verb->add_option("--data", comparison.data.file,
                   "HDF5 file with images (default: the first run's own data)");
  context.files.add_inputs(*verb, path_of(comparison.data.file));
  verb->add_option("--split", comparison.data.split,
                   "Of the first run's own data (default: validation where there is any)")
      ->check(CLI::IsMember({"train", "validation"}));
  verb->add_option("--rows", comparison.rows, "Rows A:B, the last excluded (default: all)");
  verb->add_option("--importance-samples", comparison.importance_samples,
                   "Draws a sample for log p(x) (default: as each run's "
                   "evaluate.importance_samples; 0: none)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option(
          "--coverage", comparison.coverage_samples,
          "Samples of the prior, and as many real images, for coverage and density (0: none)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.files.add_output(
      *verb, "--out", options->out,
      "Where to: .png (a labelled grid) or .h5 (`inputs`, RUN/reconstructions, RUN/samples)");
  verb->add_option("--count", options->count, "Images a row of the picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--seed", options->seed, "Of the picture's samples")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.files.add_output(*verb, "--json", options->json, "Write all figures to this file too");
  add_compute_options(*verb, options->compute);
  verb->footer(
      "Example:\n  vae_dist compare runs/autoencoder runs/vae --data mnist_test.h5 --out "
      "comparison.png");
  verb->callback([&context, options] {
    context.chosen = [&context, options] { return compare(*options, context.world); };
  });
}

}  // namespace vae_dist::launcher
