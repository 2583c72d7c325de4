#include <iostream>
#include <memory>

#include "launcher/pytorch_weights.hpp"
#include "launcher/verbs.hpp"
#include "train/trained/trained_model.hpp"
#include "train/trained/weights_import.hpp"

namespace vae_dist {
namespace {

void add_export(CLI::App& weights, VerbContext& context) {
  struct Options {
    std::string checkpoint, out;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = weights.add_subcommand("export", "Write a model's weights, with PyTorch-VAE's names");
  verb->add_option("--checkpoint", options->checkpoint, "A checkpoint's directory, or a run's (its newest)")->required();
  verb->add_option("--out", options->out, "File to write: PyTorch's state_dict where it ends in .pt, .pth or .ckpt, else safetensors")->required();
  verb->footer("Example:\n  vae_dist weights export --checkpoint runs/mnist --out mnist.safetensors\n  vae_dist weights export --checkpoint runs/mnist --out mnist.pt");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const TrainedModel trained = load_trained_model(options->checkpoint);
      if (is_pytorch_file(options->out)) {
        const TemporaryWeights between;
        write_safetensors(between.path(), trained.weights);
        safetensors_to_pytorch(between.path(), options->out);
      } else {
        write_safetensors(options->out, trained.weights);
      }
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
  verb->add_option("file", options->file, "File with PyTorch-VAE's names: safetensors, or PyTorch's (.pt, .pth, .ckpt: a state_dict, plain or in Lightning's checkpoint)")->required();
  verb->add_option("--config", options->config, "Configuration of the new run")->required();
  verb->add_option("overrides", options->overrides, "key=value");
  verb->footer("Example:\n  vae_dist weights import vanilla_vae.ckpt --config configs/mnist.yaml run.name=continued\n  mpirun -np 2 vae_dist --config configs/mnist.yaml run.name=continued");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      const TemporaryWeights between;
      std::filesystem::path safetensors = options->file;
      if (is_pytorch_file(options->file)) {
        safetensors = between.path();
        pytorch_to_safetensors(options->file, safetensors);
      }
      const std::filesystem::path made = import_weights(safetensors, options->file, options->config, options->overrides);
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
