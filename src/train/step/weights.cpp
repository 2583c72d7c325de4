#include "train/step/weights.hpp"

#include <ATen/ATen.h>

#include <map>

#include "base/error.hpp"
#include "train/step/make_model.hpp"

namespace vae_dist {
namespace {

std::string sizes_text(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

}  // namespace

TensorFile collect_weights(const LatentModel& model, const std::string& model_name, const ImageShape& shape) {
  TensorFile file;
  for (const auto& [name, tensor] : named_state(model)) {
    // A copy even where the tensor is on the host already: training goes on with the original.
    file.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  }
  file.metadata = {{"format", "pt"},
                   {"model", model_name},
                   {"channels", std::to_string(shape.channels)},
                   {"height", std::to_string(shape.height)},
                   {"width", std::to_string(shape.width)}};
  return file;
}

void restore_weights(LatentModel& model, const TensorFile& weights, const std::string& origin) {
  const NamedTensors state = named_state(model);
  std::string misfits;
  std::map<std::string, at::Tensor> unused = weights.tensors;
  for (const auto& [name, tensor] : state) {
    const auto found = unused.find(name);
    if (found == unused.end()) {
      misfits += text("\n  ", name, " is missing");
    } else {
      if (found->second.sizes() != tensor.sizes()) misfits += text("\n  ", name, " has shape ", sizes_text(found->second), ", the model's is ", sizes_text(tensor));
      unused.erase(found);
    }
  }
  for (const auto& [name, tensor] : unused) misfits += text("\n  ", name, " ", sizes_text(tensor), " is unknown to the model");
  if (!misfits.empty()) throw BadInput(text(origin, ": the weights do not fit the model (other model.hidden_dims, latent_dim or image size?):", misfits));

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) {
    at::Tensor target = tensor;
    target.copy_(weights.tensors.at(name));
  }
}

ImageShape image_shape_of(const TensorFile& weights, const std::string& origin) {
  try {
    return {std::stoll(weights.metadata.at("channels")), std::stoll(weights.metadata.at("height")), std::stoll(weights.metadata.at("width"))};
  } catch (const std::exception&) {
    throw BadInput(text(origin, ": its metadata (channels, height, width) do not say which images it is for"));
  }
}

}  // namespace vae_dist
