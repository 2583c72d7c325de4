#include <iostream>
#include <memory>

#include "launcher/verbs.hpp"
#include "train/trained_model.hpp"
#include "train/weights_import.hpp"

namespace vae_dist {
namespace {

void add_export(CLI::App& weights, VerbContext& context) {
  struct Options {
    std::string checkpoint, out;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = weights.add_subcommand("export", "Write a model's weights as safetensors, with PyTorch-VAE's names");
  verb->add_option("--checkpoint", options->checkpoint, "A checkpoint's directory, or a run's (its newest)")->required();
  verb->add_option("--out", options->out, "Safetensors file to write")->required();
  verb->footer("Example:\n  vae_dist weights export --checkpoint runs/mnist --out mnist.safetensors");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const TrainedModel trained = load_trained_model(options->checkpoint);
      write_safetensors(options->out, trained.weights);
      std::cout << trained.weights.tensors.size() << " tensors of " << trained.origin.string() << " are in " << options->out << "\n";
    });
  });
}

void add_import(CLI::App& weights, VerbContext& context) {
  struct Options {
    std::string file, config;
    std::vector<std::string> overrides;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = weights.add_subcommand("import", "Start a run from given weights: its checkpoint of step 0 holds them");
  verb->add_option("file", options->file, "Safetensors file with PyTorch-VAE's names")->required();
  verb->add_option("--config", options->config, "Configuration of the new run")->required();
  verb->add_option("overrides", options->overrides, "key=value");
  verb->footer("Example:\n  vae_dist weights import vanilla_vae.safetensors --config configs/mnist.yaml run.name=continued\n  mpirun -np 2 vae_dist --config configs/mnist.yaml run.name=continued");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const std::filesystem::path made = import_weights(options->file, options->config, options->overrides);
      std::cout << "the weights of " << options->file << " are in " << made.string() << ": train with the same --config to go on from them\n";
    });
  });
}

}  // namespace

void add_weights_verb(CLI::App& app, VerbContext& context) {
  CLI::App* verb = app.add_subcommand("weights", "Move weights between this program and PyTorch");
  verb->require_subcommand(1);
  add_export(*verb, context);
  add_import(*verb, context);
}

}  // namespace vae_dist
