// A network that was written in Python and saved as TorchScript (model.name: script).
//
// This file, script_method.hpp and ../objective/script_loss.hpp are all that knows the format:
// TorchScript is deprecated in torch 2.11, but still the only form of a Python network that
// LibTorch can train. Another format would be another network registered beside this one.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/list_of_ten.hpp"
#include "base/text.hpp"
#include "model/network_registry.hpp"
#include "model/script_method.hpp"
#include "model/space.hpp"
#include "model/torch_error.hpp"

namespace vae_dist::model {
namespace {

struct ScriptSettings {
  std::optional<std::string> encoder, decoder;
  bool gives_point = false;
  bool draws_initial_values = false;
  std::vector<std::string> summed_buffers;
};

// The parameters and buffers of a script under their own names, as a tree of modules that share
// its tensors.
class ScriptTree : public torch::nn::Module, public InitialisesItself {
 public:
  // `seen`: tensors that already have a name. Tied weights are trained under the first.
  ScriptTree(torch::jit::Module script, const ScriptSettings& settings, std::set<const void*>& seen)
      : script_(std::move(script)), draws_(settings.draws_initial_values) {
    for (const auto& entry : script_.named_parameters(/*recurse=*/false))
      if (seen.insert(entry.value.unsafeGetTensorImpl()).second)
        register_parameter(entry.name, entry.value, entry.value.requires_grad());
    for (const auto& entry : script_.named_buffers(/*recurse=*/false))
      if (seen.insert(entry.value.unsafeGetTensorImpl()).second)
        register_buffer(entry.name, entry.value);
    for (const auto& entry : script_.named_children())
      register_module(entry.name, std::make_shared<ScriptTree>(entry.value, settings, seen));
  }

  void train(bool on = true) override {
    Module::train(on);
    if (script_.hasattr("training")) script_.setattr("training", on);
  }

  // As PyTorch initialises its own layers: see draw_initial_weights().
  bool initialise(const FillUniform& fill) override {
    if (!draws_ || parameters(/*recurse=*/false).empty()) return true;
    const std::string type = python_class();
    const auto own = named_parameters(/*recurse=*/false);
    for (const auto& entry : own)
      if (entry.key() != "weight" && entry.key() != "bias") refuse_to_draw(type);
    const at::Tensor* const weight = own.find("weight");
    if (!weight) refuse_to_draw(type);
    if (type.starts_with("Conv") || type == "Linear") {
      const double bound = 1.0 / std::sqrt(static_cast<double>((*weight)[0].numel()));
      for (const auto& entry : own) fill(entry.value(), bound);
      return true;
    }
    if (type.find("Norm") == std::string::npos) refuse_to_draw(type);
    for (const auto& entry : own) entry.value().fill_(entry.key() == "weight" ? 1 : 0);
    for (const auto& entry : named_buffers(/*recurse=*/false))
      entry.value().fill_(entry.key() == "running_var" ? 1 : 0);
    return true;
  }

 private:
  [[noreturn]] static void refuse_to_draw(const std::string& type) {
    throw std::invalid_argument(
        base::text("model.initialise is keyed, but how the parameters of ", type,
                   " are drawn is known of convolutions, linear layers and norms only. Set "
                   "model.initialise=file"));
  }

  // The class in Python that this node was made of: "Conv2d".
  std::string python_class() const {
    return script_.type()->name() ? script_.type()->name()->name() : "";
  }

  torch::jit::Module script_;
  const bool draws_;
};

// One half of the network.
class Half : public ScriptMethod {
 public:
  using ScriptMethod::ScriptMethod;

  std::vector<at::Tensor> operator()(std::vector<at::Tensor> given) const {
    for (std::size_t i = 0; i < given.size(); ++i)
      if (changes_argument(i)) given[i] = given[i].clone();
    const torch::jit::IValue out = run(std::vector<torch::jit::IValue>(given.begin(), given.end()));
    if (out.isTensor()) return {out.toTensor()};
    std::vector<at::Tensor> tensors;
    if (out.isTuple()) {
      for (const torch::jit::IValue& element : out.toTupleRef().elements()) {
        if (element.isNone()) continue;
        if (!element.isTensor()) break;
        tensors.push_back(element.toTensor());
      }
      if (!tensors.empty()) return tensors;
    }
    if (out.isTensorList()) return out.toTensorVector();
    throw std::invalid_argument(
        base::text(name(), " returns ", out.tagKind(), ", not a tensor or a tuple of tensors"));
  }
};

class ScriptNetwork : public LatentModel, public InitialisesItself {
 public:
  ScriptNetwork(const NetworkOptions& options, const ScriptSettings& settings,
                std::shared_ptr<Likelihood> likelihood)
      : options_(options), gives_point_(settings.gives_point) {
    if (!settings.encoder || !settings.decoder)
      throw std::invalid_argument(
          "model.encoder and model.decoder must name TorchScript files (the same one if it has "
          "methods encode and decode)");
    const torch::jit::Module first = load_script(*settings.encoder);
    const bool in_one = *settings.encoder == *settings.decoder;
    const torch::jit::Module second = in_one ? first : load_script(*settings.decoder);
    encoder_.emplace(first, "encode", "model.encoder");
    decoder_.emplace(second, "decode", "model.decoder");
    std::set<const void*> seen;
    if (in_one) {
      add_tree("", first, settings, seen);
    } else {
      add_tree("encoder", first, settings, seen);
      add_tree("decoder", second, settings, seen);
    }
    for (const char* const taken : {"codes", "likelihood"})
      if (children_of_script().contains(taken))
        throw std::invalid_argument(base::text("the script has a module named ", taken,
                                               ", as the program has beside it; rename it"));
    const LatentShape latent = check_with_a_batch();
    note_buffers(settings.summed_buffers);
    finish(latent, std::move(likelihood), gives_point_ ? options.codebook : std::nullopt);
  }

  base::LatentKind latent_kind() const override {
    return gives_point_ ? base::LatentKind::point : base::LatentKind::posterior;
  }

  OwnBuffers own_buffers() const override { return own_buffers_; }

  bool draws_numbers() const override { return encoder_->draws() || decoder_->draws(); }

  // Of parameters that the script of a single file has beside those of its modules.
  bool initialise(const FillUniform& fill) override { return !root_ || root_->initialise(fill); }

 protected:
  Posterior encode_sample(const Sample& sample) override {
    begin_draws(0, sample.x.device());
    std::vector<at::Tensor> given = {sample.input()};
    if (options_.condition_values > 0) given.push_back(sample.condition);
    return posterior_of((*encoder_)(std::move(given)), sample.size());
  }

  Decoded decode_latents(const at::Tensor& z, const Sample& given) override {
    begin_draws(1, z.device());
    std::vector<at::Tensor> inputs = {z};
    if (options_.condition_values > 0) inputs.push_back(given.condition);
    return decoded_of((*decoder_)(std::move(inputs)), z.size(0));
  }

 private:
  void add_tree(const std::string& name, const torch::jit::Module& script,
                const ScriptSettings& settings, std::set<const void*>& seen) {
    auto tree = std::make_shared<ScriptTree>(script, settings, seen);
    if (!name.empty()) {
      register_module(name, tree);
      return;
    }
    // The names of one file are those of its state_dict.
    root_ = tree;
    for (const auto& entry : tree->named_parameters(/*recurse=*/false))
      register_parameter(entry.key(), entry.value(), entry.value().requires_grad());
    for (const auto& entry : tree->named_buffers(/*recurse=*/false))
      register_buffer(entry.key(), entry.value());
    for (const auto& child : tree->named_children()) register_module(child.key(), child.value());
  }

  void train(bool on = true) override {
    if (root_) root_->train(on);
    LatentModel::train(on);
  }

  std::set<std::string> children_of_script() const {
    std::set<std::string> names;
    for (const auto& child : named_children()) names.insert(child.key());
    return names;
  }

  // Sorts the buffers that a forward changes. Constants are left alone.
  void note_buffers(const std::vector<std::string>& summed) {
    std::vector<std::string> there;
    for (const auto& entry : named_buffers()) {
      const std::string& name = entry.key();
      const at::Tensor& buffer = entry.value();
      if (buffer.is_complex())
        throw std::invalid_argument(base::text("the buffer ", name,
                                               " holds complex numbers, which a checkpoint cannot "
                                               "hold; keep its two parts (torch.view_as_real)"));
      there.push_back(name);
      const bool is_summed = std::find(summed.begin(), summed.end(), name) != summed.end(),
                 changes = encoder_->changes(buffer) || decoder_->changes(buffer);
      if (!is_summed && !changes) continue;
      if (buffer.scalar_type() == at::kBool)
        throw std::invalid_argument(base::text("the network changes the buffer ", name,
                                               ", whose truth values have no mean over replicas; "
                                               "make it one of numbers"));
      (is_summed                    ? own_buffers_.summed
       : buffer.is_floating_point() ? own_buffers_.averaged
                                    : own_buffers_.counters)
          .emplace_back(name, buffer);
    }
    for (const std::string& name : summed)
      if (std::find(there.begin(), there.end(), name) == there.end())
        throw std::invalid_argument(base::text("model.summed_buffers: the network has no buffer ",
                                               name, "; it has ",
                                               there.empty() ? "none" : base::list_of_ten(there)));
  }

  void begin_draws(std::uint64_t half, c10::Device device) const {
    if (!draws_numbers()) return;
    seed_script_draws(device, 2 * draw_seed() + half);
  }

  static std::string shape_text(at::IntArrayRef sizes) {
    std::ostringstream out;
    out << sizes;
    return out.str();
  }

  [[noreturn]] static void refuse_shape(const Half& half, const std::string& what,
                                        const std::string& wanted, at::IntArrayRef got) {
    throw std::invalid_argument(
        base::text(half.name(), " gives ", what, " of shape ", shape_text(got), ", but ", wanted));
  }

  at::Tensor row_of(const at::Tensor& tensor, const std::string& what, std::int64_t batch) const {
    if (tensor.dim() < 1 || tensor.size(0) != batch ||
        tensor.numel() != batch * options_.latent_dim) {
      const std::int64_t values =
          tensor.dim() > 0 && tensor.size(0) == batch ? tensor.numel() / batch : 0;
      refuse_shape(
          *encoder_, what,
          base::text(
              "[", batch, ", ", options_.latent_dim, "] is wanted for a batch of ", batch,
              values > 0 && what != "log_var" ? base::text(": set model.latent_dim=", values) : ""),
          tensor.sizes());
    }
    return tensor.flatten(1);
  }

  Posterior posterior_of(const std::vector<at::Tensor>& given, std::int64_t batch) const {
    if (gives_point_) {
      if (given.size() != 1)
        throw std::invalid_argument(base::text(encoder_->name(), " gives ", given.size(),
                                               " tensors, but with model.encoder_gives point one "
                                               "is wanted: z"));
      return {row_of(given[0], "z", batch), {}};
    }
    if (given.size() != 2)
      throw std::invalid_argument(base::text(
          encoder_->name(), " gives ", given.size(), " tensors, but two are wanted: mu and log_var",
          given.size() == 1 ? " (model.encoder_gives: point is for an encoder that gives z alone)"
                            : ""));
    return {row_of(given[0], "mu", batch), clamp_log_var(row_of(given[1], "log_var", batch))};
  }

  Decoded decoded_of(const std::vector<at::Tensor>& given, std::int64_t batch) const {
    using Of = base::SecondHead::Of;
    const Of second = options_.second_head.of;
    const std::size_t wanted = second == Of::nothing ? 1 : 2;
    if (given.size() != wanted)
      throw std::invalid_argument(base::text(
          decoder_->name(), " gives ", given.size(), " tensors, but ", wanted,
          wanted == 1 ? " is wanted: the mean (or logits) of the values"
                      : " are wanted by objective.likelihood: the mean of the values and "
                        "what stands behind it (src/objective/README.md)"));
    std::vector<std::int64_t> shape = batch_shape(options_.channels, options_.space);
    shape[0] = batch;
    if (given[0].sizes() != shape)
      refuse_shape(*decoder_, "values",
                   base::text(shape_text(shape), " is wanted for a batch of ", batch),
                   given[0].sizes());
    if (wanted == 1) return {given[0], {}};
    std::vector<std::int64_t> of_second = shape;
    if (second == Of::sample) std::fill(of_second.begin() + 1, of_second.end(), 1);
    if (given[1].sizes() != of_second)
      refuse_shape(*decoder_, "a second output",
                   base::text(shape_text(of_second), " is wanted for a batch of ", batch),
                   given[1].sizes());
    return {given[0], given[1].clamp_min(options_.second_head.least)};
  }

  // Runs a batch of two samples through both halves, in the memory order of the run, so that what
  // does not fit is told before the first step, and so is a parameter that no gradient reaches: the
  // exchange between ranks would wait for it. Returns the shape of z.
  LatentShape check_with_a_batch() {
    const std::size_t inputs = options_.condition_values > 0 ? 2 : 1;
    for (const Half* const half : {&*encoder_, &*decoder_})
      if (!half->takes(inputs))
        throw std::invalid_argument(base::text(half->name(), " gets ", inputs,
                                               inputs == 1 ? " tensor" : " tensors",
                                               inputs == 1 ? " (there is no data.train.condition)"
                                                           : ", of which the second is the "
                                                             "condition",
                                               ", but does not take so many arguments"));
    constexpr std::int64_t kSamples = 2;
    const Sample sample = batch_of_zeros(options_, kSamples);
    std::vector<at::Tensor> before;
    for (const at::Tensor& buffer : buffers()) before.push_back(buffer.clone());
    eval();
    LatentShape latent{options_.latent_dim};
    try {
      begin_draws(0, c10::kCPU);
      std::vector<at::Tensor> given = {sample.input()};
      if (options_.condition_values > 0) given.push_back(sample.condition);
      const std::vector<at::Tensor> encoded = (*encoder_)(given);
      const Posterior posterior = posterior_of(encoded, kSamples);
      if (encoded[0].dim() > 2)
        latent = {encoded[0].size(1), encoded[0].numel() / kSamples / encoded[0].size(1)};
      at::Tensor sum = posterior.mu.sum();
      if (!posterior.is_point()) sum = sum + posterior.log_var.sum();
      const Decoded decoded = decode_latents(posterior.mu, sample);
      sum = sum + decoded.output.sum();
      if (decoded.second.defined()) sum = sum + decoded.second.sum();
      if (sum.requires_grad()) sum.backward();
    } catch (const std::invalid_argument&) {
      throw;
    } catch (const std::exception& error) {
      refuse_batch(sample.input().sizes(), error);
    }
    std::vector<std::string> without, changed;
    for (const auto& entry : named_parameters()) {
      if (entry.value().requires_grad() && !entry.value().grad().defined())
        without.push_back(entry.key());
      entry.value().mutable_grad() = at::Tensor();
    }
    const auto after = named_buffers();
    for (std::size_t i = 0; i < before.size(); ++i)
      if (!at::equal(after[i].value(), before[i])) changed.push_back(after[i].key());
    train();
    if (!without.empty())
      throw std::invalid_argument(base::text(
          "no output depends on these parameters: ", base::list_of_ten(without),
          ". Remove them from the script, or save it with requires_grad=False for them"));
    if (!changed.empty())
      throw std::invalid_argument(base::text(
          "the network changes these buffers in evaluation mode too: ", base::list_of_ten(changed),
          ". What is evaluated must leave no trace: change them under `if self.training`"));
    return latent;
  }

  [[noreturn]] void refuse_batch(at::IntArrayRef shape, const std::exception& error) const {
    const std::string said = said_by(error);
    throw std::invalid_argument(base::text(
        "a batch of shape ", shape_text(shape), " does not pass through the network: ", said,
        said.find("view size is not compatible") == std::string::npos
            ? ""
            : "\n(Batches have their channels side by side in memory: write .flatten(1) or "
              ".reshape in place of .view, or set train.channels_last=false.)"));
  }

  const NetworkOptions options_;
  const bool gives_point_;
  std::optional<Half> encoder_, decoder_;
  std::shared_ptr<ScriptTree> root_;
  OwnBuffers own_buffers_;
};

const RegisteredNetwork kScript(
    {{.name = "script",
      .help = "a network of your own from Python, saved as TorchScript",
      .own = base::own_keys<ScriptSettings>([](base::Section& keys, ScriptSettings& own) {
        keys.key("encoder", own.encoder,
                 "TorchScript file whose method encode (or forward) maps x [B, C, space...] (and "
                 "the condition [B, Y], if there is one) to mu and log_var of latent_dim values")
            .is_file()
            .empty_is("null")
            .may_change();
        keys.key(
                "decoder", own.decoder,
                "TorchScript file whose method decode (or forward) maps z [B, latent_dim] (and the "
                "condition) to the values [B, C, space...]; may be the same file")
            .is_file()
            .empty_is("null")
            .may_change();
        keys.choice("encoder_gives", own.gives_point, {{"posterior", false}, {"point", true}},
                    "posterior: mu and log_var; point: z alone, as an autoencoder's");
        keys.choice("initialise", own.draws_initial_values, {{"file", false}, {"keyed", true}},
                    "file: a run begins with the values in the files; keyed: with PyTorch's usual "
                    "ones, drawn from run.seed (for convolutions, linear layers and norms)");
        keys.key(
                "summed_buffers", own.summed_buffers,
                "names of buffers whose changes are added up over the replicas of a step; those of "
                "other buffers are averaged")
            .empty_is("[]");
      })},
     base::LatentKind::posterior,
     /*has_blocks=*/false,
     /*takes_condition=*/true,
     /*foreign_layers=*/true,
     [](const std::any& own) {
       return std::any_cast<const ScriptSettings&>(own).gives_point ? base::LatentKind::point
                                                                    : base::LatentKind::posterior;
     }},
    [](const NetworkRequest& wanted) {
      return std::make_shared<ScriptNetwork>(wanted.options, wanted.settings<ScriptSettings>(),
                                             wanted.likelihood);
    });

}  // namespace
}  // namespace vae_dist::model
