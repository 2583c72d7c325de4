#include "objective/script_loss.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <algorithm>
#include <stdexcept>

#include "base/list_of_ten.hpp"
#include "base/text.hpp"
#include "model/evaluation_mode.hpp"
#include "model/torch_error.hpp"

namespace vae_dist::objective {
namespace {

using NamedTensors = c10::Dict<std::string, at::Tensor>;

constexpr const char* kKey = "objective.script";

void add_tensors(const std::string& name, const torch::jit::IValue& value,
                 std::vector<std::pair<std::string, at::Tensor>>& out) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) out.emplace_back(name, value.toTensor());
  } else if (value.isList()) {
    for (const torch::jit::IValue& element : value.toListRef()) add_tensors(name, element, out);
  } else if (value.isTuple()) {
    for (const torch::jit::IValue& element : value.toTupleRef().elements())
      add_tensors(name, element, out);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) add_tensors(name, entry.value(), out);
  }
}

// Parameters, buffers, and tensors that are plain attributes or in lists and dictionaries.
std::vector<std::pair<std::string, at::Tensor>> tensors_of(const torch::jit::Module& script) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const auto& entry : script.named_attributes(/*recurse=*/true))
    add_tensors(entry.name, entry.value, out);
  return out;
}

bool same_values(const at::Tensor& a, const at::Tensor& b) {
  if (!a.is_floating_point()) return at::equal(a, b);
  return a.eq(b).logical_or(a.isnan().logical_and(b.isnan())).all().item<bool>();
}

// Puts the script onto the model's device and, what has a fraction, into its type. Module::to()
// would convert whole numbers too.
torch::jit::Module loaded_for(const std::string& file, const model::LatentModel& model) {
  torch::jit::Module script = model::load_script(file);
  const at::TensorOptions wanted = model.parameters().front().options();
  for (const auto& [name, tensor] : tensors_of(script)) {
    const at::TensorOptions type = tensor.options().device(wanted.device());
    tensor.set_data(tensor.to(tensor.is_floating_point() ? type.dtype(wanted.dtype()) : type));
  }
  return script;
}

bool is_name(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

NamedTensors given_weights(const StepWeights& weights, const at::TensorOptions& wanted) {
  NamedTensors out;
  out.insert("kld_weight", weights.kld_factor_on_device.defined()
                               ? weights.kld_factor_on_device.to(wanted.dtype().toScalarType())
                               : at::scalar_tensor(weights.kld_factor, wanted));
  return out;
}

NamedTensors given_outputs(const Forward& forward, const model::Sample& sample) {
  NamedTensors out;
  const auto give = [&](const char* name, const at::Tensor& tensor) {
    if (tensor.defined()) out.insert(name, tensor);
  };
  give("mu", forward.posterior.mu);
  give("log_var", forward.posterior.log_var);
  give("z", forward.z);
  give("reconstruction", forward.decoded.output);
  give("second", forward.decoded.second);
  give("condition", sample.condition);
  give("observed", sample.observed);
  return out;
}

// The parameters that are trained, but that no path leads to from `loss`.
std::vector<std::string> not_reached(const at::Tensor& loss, const model::LatentModel& model) {
  std::vector<std::string> names;
  std::vector<at::Tensor> trained;
  for (const auto& entry : model.named_parameters())
    if (entry.value().requires_grad()) {
      names.push_back(entry.key());
      trained.push_back(entry.value());
    }
  if (trained.empty() || !loss.requires_grad()) return names;
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({loss}, trained, {}, /*retain_graph=*/false, /*create_graph=*/false,
                            /*allow_unused=*/true);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!gradients[i].defined()) out.push_back(names[i]);
  return out;
}

// What TorchScript says ends in the error itself, behind the places in the script.
std::string last_line_of(const std::exception& error) {
  std::string whole = model::said_by(error);
  while (!whole.empty() && whole.back() == '\n') whole.pop_back();
  return whole.substr(whole.rfind('\n') + 1);
}

[[noreturn]] void refuse_change_of(const std::string& buffer) {
  throw std::invalid_argument(base::text(
      "it changes its tensor ", buffer,
      ", but a loss keeps nothing from step to step. (A normalisation does so in training mode: "
      "save the script in evaluation mode, in which it stays.)"));
}

}  // namespace

ScriptLoss::ScriptLoss(const std::string& file, model::LatentModel& model)
    : script_(loaded_for(file, model)),
      method_(script_, "loss", kKey),
      tensors_(tensors_of(script_)) {
  for (const auto& [name, tensor] : tensors_) {
    if (tensor.requires_grad())
      throw std::invalid_argument(
          base::text("its parameter ", name,
                     " asks for a gradient, but a loss is not trained: save it with "
                     "requires_grad_(False)"));
    versions_.push_back(static_cast<std::int64_t>(tensor._version()));
  }
  if (!method_.takes(3))
    throw std::invalid_argument(base::text(
        method_.name(), " gets three arguments (x, outputs, weights), but does not take them"));
  try {
    ask_for_names(model);
  } catch (const std::invalid_argument&) {
    throw;
  } catch (const std::exception& error) {
    throw std::invalid_argument(
        base::text("a batch does not pass through ", method_.name(), ": ", model::said_by(error)));
  }
}

void ScriptLoss::ask_for_names(model::LatentModel& model) {
  constexpr std::int64_t kSamples = 2;
  const bool will_train = model.is_training();
  const model::EvaluationMode evaluation(model);
  const at::AutoGradMode with_gradients(true);
  const model::Sample sample = model.example(kSamples);
  const auto values_of_zeros = [&] {
    Forward forward;
    forward.posterior = model.encode(sample);
    forward.z = model::reparameterize(forward.posterior, at::zeros_like(forward.posterior.mu));
    forward.decoded = model.decode(forward.z, sample);
    if (draws_numbers()) model::seed_script_draws(sample.x.device(), 0);
    return of_batch(forward, sample, given_weights({}, sample.x.options()));
  };

  std::vector<at::Tensor> before;
  for (const auto& [name, tensor] : tensors_) before.push_back(tensor.clone());
  const Named values = values_of_zeros();
  try {
    const at::NoGradGuard no_grad;
    values_of_zeros();
  } catch (const std::exception& error) {
    throw std::invalid_argument(base::text(
        "a batch passes through ", method_.name(), " with gradients, but not without, as in an ",
        "evaluation: ask torch.is_grad_enabled() (", last_line_of(error), ")"));
  }
  // A normalisation writes its statistics past the count of versions.
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (!same_values(tensors_[i].second, before[i])) refuse_change_of(tensors_[i].first);

  for (const auto& [name, value] : values) names_.push_back(name);
  if (!will_train) return;
  if (const auto missed = not_reached(values.front().second, model); !missed.empty())
    throw std::invalid_argument(base::text(
        "its ", names_.front(), ", which is minimised, does not depend on these parameters: ",
        base::list_of_ten(missed), ". Use what they lead to, or exclude them (train.freeze; a ",
        "likelihood's own: choose one without, such as objective.variance=fixed)"));
}

void ScriptLoss::check_kept_nothing() const {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (static_cast<std::int64_t>(tensors_[i].second._version()) != versions_[i])
      refuse_change_of(tensors_[i].first);
}

ScriptLoss::Named ScriptLoss::of_batch(const Forward& forward, const model::Sample& sample,
                                       const c10::Dict<std::string, at::Tensor>& weights) const {
  const NamedTensors outputs = given_outputs(forward, sample);
  std::vector<std::pair<std::string, at::Tensor>> given = {{"x", sample.x}};
  for (const auto& entry : outputs) given.emplace_back(entry.key(), entry.value());
  for (const auto& entry : weights) given.emplace_back(entry.key(), entry.value());
  std::vector<std::int64_t> versions;
  for (const auto& [name, tensor] : given)
    versions.push_back(static_cast<std::int64_t>(tensor._version()));
  const torch::jit::IValue out = method_.run({sample.x, outputs, weights.copy()});
  for (std::size_t i = 0; i < given.size(); ++i)
    if (static_cast<std::int64_t>(given[i].second._version()) != versions[i])
      throw std::invalid_argument(base::text(
          method_.name(), " changes ", given[i].first,
          " in place, which others read behind it: write, for example, .clamp() for .clamp_()"));
  check_kept_nothing();
  if (!out.isGenericDict())
    throw std::invalid_argument(base::text(method_.name(), " returns ", out.tagKind(),
                                           ", but named scalars are wanted: Dict[str, Tensor]"));
  Named values;
  for (const auto& entry : out.toGenericDict()) {
    if (!entry.key().isString() || !entry.value().isTensor())
      throw std::invalid_argument(
          base::text(method_.name(), " returns a dictionary that is no Dict[str, Tensor]"));
    const std::string& name = entry.key().toStringRef();
    const at::Tensor value = entry.value().toTensor();
    if (!is_name(name))
      throw std::invalid_argument(
          base::text(method_.name(), " returns a value named '", name,
                     "'; names consist of lower-case letters, digits and _"));
    if (value.numel() != 1 || !value.is_floating_point())
      throw std::invalid_argument(
          base::text(method_.name(), " returns ", name, " as ", value.scalar_type(), " of shape ",
                     value.sizes(), ", but a scalar of floating point is wanted, such as a mean"));
    values.emplace_back(name, value.reshape({}).to(sample.x.options()));
  }
  if (values.empty())
    throw std::invalid_argument(base::text(method_.name(), " returns no value to minimise"));
  return values;
}

std::vector<at::Tensor> ScriptLoss::operator()(const model::LatentModel& model,
                                               const Forward& forward, const model::Sample& sample,
                                               const StepWeights& weights,
                                               std::int64_t replicas) const {
  // Another number than those that the two halves of a network take of the same seed.
  constexpr std::uint64_t kOfLoss = 0x5deece66d1ce4e5b;
  const NamedTensors given = given_weights(weights, sample.x.options());
  const std::int64_t samples = sample.size() / replicas;
  std::vector<at::Tensor> sums(names_.size());
  for (std::int64_t r = 0; r < replicas; ++r) {
    if (draws_numbers())
      model::seed_script_draws(sample.x.device(), (2 * model.draw_seed(r)) ^ kOfLoss);
    const Named values =
        of_batch(replicas == 1 ? forward : forward.narrow(r * samples, samples),
                 replicas == 1 ? sample : sample.narrow(r * samples, samples), given);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (values.size() != names_.size() || values[i].first != names_[i])
        throw std::invalid_argument(
            base::text(method_.name(), " returns other values than it did at first: ",
                       base::list_of_ten(names_), " in this order are wanted of every batch"));
      sums[i] = r == 0 ? values[i].second : sums[i] + values[i].second;
    }
  }
  if (replicas > 1)
    for (at::Tensor& sum : sums) sum = sum / static_cast<double>(replicas);
  return sums;
}

}  // namespace vae_dist::objective
