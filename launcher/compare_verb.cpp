#include <ATen/ATen.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "comm/agreement.hpp"
#include "inference/compared_models.hpp"
#include "inference/named_checkpoint.hpp"
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
  for (const std::string& location : options.comparison.models)
    out.push_back(
        inference::named_checkpoint(options.best ? inference::best_of(location) : location)
            .string());
  return out;
}

void write_pictures(const CompareOptions& options,
                    const std::vector<inference::ComparedModel>& models) {
  const inference::ComparedPictures pictures = inference::compare_pictures(
      options.comparison, models, options.count, static_cast<std::uint64_t>(options.seed));
  if (output_kind(options.out) == OutputKind::png) {
    report::write_comparison_grid(options.out, pictures.inputs, pictures.models, pictures.showing,
                                  "Reconstructions of the same inputs and samples, by model");
    return;
  }
  NamedTensors tensors;
  if (pictures.inputs.defined()) tensors.push_back({"inputs", pictures.inputs});
  for (const report::ComparedImages& model : pictures.models) {
    if (model.reconstructions.defined())
      tensors.push_back({model.name + "/reconstructions", model.reconstructions});
    if (model.samples.defined()) tensors.push_back({model.name + "/samples", model.samples});
  }
  write_tensors_hdf5(options.out, tensors);
}

base::ExitCode compare(CompareOptions options, const comm::MpiWorld& world) {
  log::configure(world.rank(), world.size(), log::Level::warn);
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  comm::agree(*all_ranks, [&] {
    if (!options.out.empty()) output_kind(options.out);
    options.comparison.models = checkpoints_of(options);
    options.comparison.device = use_device(options.compute, world);
    options.comparison.channel_figures = !options.json.empty();
  });
  const std::vector<inference::ComparedModel> models =
      inference::compare_models(options.comparison, world, *all_ranks);
  comm::agree_on_rank_0(*all_ranks, [&] {
    std::cout << inference::comparison_table(models);
    if (!options.json.empty())
      base::replace_file(options.json,
                         base::json_text(inference::comparison_json(models), 2) + "\n");
    if (options.out.empty()) return;
    write_pictures(options, models);
    std::cout << "the reconstructions of the same inputs and the samples of each model are in "
              << options.out << "\n";
  });
  return base::ExitCode::done;
}

}  // namespace

void add_compare_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<CompareOptions>();
  inference::ComparisonOptions& comparison = options->comparison;
  CLI::App* verb = app.add_subcommand("compare",
                                      "Compare several models on the same images in one table and "
                                      "one picture; under mpirun the ranks share the work");
  verb->add_option("runs", comparison.models,
                   "Checkpoint directories, or run directories (their newest checkpoint); RUN@best "
                   "and RUN@1000 choose other checkpoints of a run")
      ->type_name(completion::kFolder)
      ->required();
  verb->add_flag("--best", options->best,
                 "Use the best checkpoint of each run (its checkpoint.best) instead of the "
                 "newest, like RUN@best");
  context.files.add_inputs(*verb, [options] { return checkpoints_of(*options); });
  verb->add_option("--data", comparison.data.file,
                   "HDF5 file with images (default: the first run's own data)")
      ->type_name(completion::kFile);
  context.files.add_inputs(*verb, path_of(comparison.data.file));
  verb->add_option("--split", comparison.data.split,
                   "Part of the first run's own data (default: validation if there is any)")
      ->check(CLI::IsMember({"train", "validation"}));
  verb->add_option("--rows", comparison.rows, "Rows A:B, excluding B (default: all)");
  verb->add_option("--importance-samples", comparison.importance_samples,
                   "Draws per sample for log p(x) (default: each run's "
                   "evaluate.importance_samples; 0: none)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option(
          "--coverage", comparison.coverage_samples,
          "Number of prior samples, and of real images, for coverage and density (0: none)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.files.add_output(
      *verb, "--out", options->out,
      "Output file: .png (a labelled grid) or .h5 (`inputs`, RUN/reconstructions, RUN/samples)");
  verb->add_option("--count", options->count, "Images per row of the picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--seed", options->seed, "Seed of the samples in the picture")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.files.add_output(*verb, "--json", options->json, "Also write all figures to this file");
  add_compute_options(*verb, options->compute);
  verb->footer(
      "Example:\n  vae_dist compare runs/autoencoder runs/vae --data mnist_test.h5 --out "
      "comparison.png");
  verb->callback([&context, options] {
    context.chosen = [&context, options] { return compare(*options, context.world); };
  });
}

}  // namespace vae_dist::launcher
