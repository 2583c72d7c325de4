#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "config/words.hpp"
#include "inference/trained_model.hpp"
#include "launcher/config_options.hpp"
#include "launcher/model_options.hpp"
#include "launcher/pytorch_weights.hpp"
#include "launcher/verbs.hpp"
#include "run/weights_import.hpp"
#include "step/make_model.hpp"
#include "step/weights.hpp"

namespace vae_dist::launcher {
namespace {

// Describes what the weights do not tell but their user must know.
std::string other_side(const inference::TrainedModel& trained) {
  const config::Output output = step::resolved_output(trained.config);
  const bool is_tanh = output == config::Output::tanh;
  const char* layer = is_tanh                             ? "torch.nn.Tanh()"
                      : output == config::Output::sigmoid ? "torch.nn.Sigmoid()"
                                                          : "torch.nn.Identity()";
  const auto& range = trained.config.data.range;
  const std::string theirs =
      trained.config.model.network.name != "vanilla_vae" ? ""
      : is_tanh                                          ? ", as PyTorch-VAE's class does"
                : base::text(" where PyTorch-VAE's class has Tanh: vae.final_layer[-1] = ", layer);
  const base::LikelihoodTraits traits = config::likelihood_traits(trained.config.objective);
  const char* meaning =
      output != config::Output::identity || !traits.takes_logits ? ""
      : traits.support == base::Support::counts
          ? " (the softmax of its output over all values, times the sample's total, is the mean)"
          : " (these are logits; their sigmoid is the picture)";
  const std::string ends =
      config::has_foreign_layers(trained.config.model)
          ? "These are the weights of a script"
          : base::text("The decoder that loads these weights must end in ", layer, theirs, meaning);
  return base::text(ends, "; its ", trained.shape.plural(), " are ",
                    !trained.state.normalisation.empty()
                        ? "(f(stored) - shift) * factor, by the metadata's `normalisation`"
                        : base::text("in [", range[0], ", ", range[1], "]"),
                    ", ", trained.shape.model_layout(),
                    trained.state.conditions.empty()
                        ? ""
                        : "; what it is told about each of them, the metadata's `conditions` say");
}

// What the weights' user needs to know of data that are not simply scaled to the range, as the run
// keeps it in its checkpoints: how stored values become the model's, and what it is told of each
// sample.
void add_data_metadata(const inference::TrainedModel& trained,
                       std::map<std::string, std::string>& metadata) {
  const config::DataConfig& data = trained.config.data;
  if (!trained.state.normalisation.empty()) {
    metadata["normalize"] = config::word(data.normalize);
    metadata["normalisation"] = trained.state.normalisation;
  }
  if (!data.encoder_transform.empty())
    metadata["encoder_transform"] = nlohmann::json(data.encoder_transform).dump();
  if (data.missing == config::Missing::mask) metadata["missing"] = config::word(data.missing);
  if (!trained.state.conditions.empty()) metadata["conditions"] = trained.state.conditions;
}

void add_export(CLI::App& weights, VerbContext& context) {
  struct Options {
    ModelChoice model;
    std::string out;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      weights.add_subcommand("export", "Write the weights of a model under PyTorch-VAE's names");
  add_checkpoint_option(*verb, context, options->model);
  context.files
      .add_output(*verb, "--out", options->out,
                  "File to write: a PyTorch state_dict if it ends in .pt, .pth, .pth.tar, .ckpt or "
                  ".bin, otherwise safetensors")
      ->required();
  verb->footer("Example:\n  vae_dist weights export --checkpoint runs/mnist --out mnist.pt");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] {
      inference::TrainedModel trained = load_chosen_model(options->model);
      trained.weights.metadata = step::weights_metadata(trained.config, trained.shape);
      add_data_metadata(trained, trained.weights.metadata);
      if (has_pytorch_name(options->out)) {
        const TemporaryWeights between;
        checkpoint::write_safetensors(between.path(), trained.weights);
        safetensors_to_pytorch(between.path(), options->out);
      } else {
        checkpoint::write_safetensors(options->out, trained.weights);
      }
      std::cout << trained.weights.tensors.size() << " tensors of " << trained.origin.string()
                << " are in " << options->out << "\n"
                << other_side(trained) << "\n";
    });
  });
}

void add_import(CLI::App& weights, VerbContext& context) {
  struct Options : ConfigChoice {
    std::string weights;
    bool allow_not_finite = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = weights.add_subcommand(
      "import", "Start a run from given weights, which become its checkpoint of step 0");
  verb->add_option(
          "file", options->weights,
          "Weights file with PyTorch-VAE's names: safetensors, or a PyTorch state_dict, plain or "
          "in a checkpoint (Lightning's, {\"model_state_dict\": ...}). Its first bytes tell which")
      ->type_name(completion::kFile)
      ->required();
  add_config_options(*verb, context, *options,
                     "Configuration of the new run. It must set the last layer of the decoder "
                     "(model.output) if the weights file does not say it");
  verb->add_flag("--allow-not-finite", options->allow_not_finite,
                 "Accept weights that are NaN or infinite");
  verb->footer(
      "Example:\n  vae_dist weights import vanilla_vae.ckpt --config configs/pytorch_vae.yaml "
      "run.name=continued\n  mpirun -np 2 vae_dist --config configs/pytorch_vae.yaml "
      "run.name=continued");
  verb->callback([&context, options] {
    take_config_file(*options);
    context.chosen = on_one_rank(context, [options] {
      const TemporaryWeights between;
      std::filesystem::path safetensors = options->weights;
      if (is_pytorch_file(options->weights)) {
        safetensors = between.path();
        pytorch_to_safetensors(options->weights, safetensors);
      }
      const run::ImportedWeights made =
          run::import_weights({safetensors, options->weights, options->allow_not_finite},
                              options->file, options->overrides);
      std::cout << "the weights of " << options->weights << " are in " << made.checkpoint.string()
                << ", for " << made.network
                << ". Train with the same configuration and overrides to continue from them\n";
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

}  // namespace vae_dist::launcher
