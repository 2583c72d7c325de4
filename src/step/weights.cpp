#include "step/weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "base/error.hpp"
#include "config/words.hpp"
#include "step/make_model.hpp"

namespace vae_dist::step {
namespace {

std::string sizes_text(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

// The most lines for all kinds of misfits together. Each kind gets an equal share of them.
constexpr std::size_t kMisfitLines = 10;

std::string misfit_lines(const std::vector<std::vector<std::string>>& kinds) {
  std::size_t all = 0, kinds_there = 0;
  for (const auto& kind : kinds) {
    all += kind.size();
    kinds_there += kind.empty() ? 0 : 1;
  }
  std::string out;
  for (const auto& kind : kinds) {
    const std::size_t room = kMisfitLines / std::max<std::size_t>(1, kinds_there);
    const bool whole = all <= kMisfitLines || kind.size() <= room;
    const std::size_t shown = whole ? kind.size() : room - 1;
    for (std::size_t i = 0; i < shown; ++i) out += "\n  " + kind[i];
    if (!whole) out += base::text("\n  and ", kind.size() - shown, " more like this");
  }
  return out;
}

// "64x64"; empty for vectors.
std::string space_text(const arrays::SampleShape& shape) {
  std::string out;
  for (const std::int64_t size : shape.space) out += base::text(out.empty() ? "" : "x", size);
  return out;
}

}  // namespace

std::map<std::string, std::string> weights_metadata(const config::Config& config,
                                                    const arrays::SampleShape& shape) {
  std::map<std::string, std::string> metadata = {
      {"format", "pt"},
      {"model", config.model.network.name},
      {"channels", std::to_string(shape.channels)},
      {"space", space_text(shape)},
      {"layout", shape.model_layout()},
      {"range", base::text("[", config.data.range[0], ", ", config.data.range[1], "]")},
      {"likelihood", config.objective.likelihood.name}};
  if (!config::has_foreign_layers(config.model)) {
    metadata["activation"] = config::word(config.model.activation);
    metadata["output"] = config::word(resolved_output(config));
  }
  // Programs that know images only read these.
  if (shape.is_image()) {
    metadata["height"] = std::to_string(shape.space[0]);
    metadata["width"] = std::to_string(shape.space[1]);
  }
  return metadata;
}

checkpoint::TensorFile collect_weights(const model::LatentModel& model,
                                       std::map<std::string, std::string> metadata,
                                       OnHost on_host) {
  checkpoint::TensorFile file;
  for (const auto& [name, tensor] : named_state(model)) {
    // Where training goes on, it changes the original.
    file.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                                            /*copy=*/on_host == OnHost::copied);
  }
  file.metadata = std::move(metadata);
  return file;
}

void restore_weights(model::LatentModel& model, const checkpoint::TensorFile& weights,
                     const std::string& origin) {
  const parallel::NamedTensors state = named_state(model);
  std::vector<std::string> missing, misshapen, unknown;
  std::map<std::string, at::Tensor> unused = weights.tensors;
  for (const auto& [name, tensor] : state) {
    const auto found = unused.find(name);
    if (found == unused.end()) {
      missing.push_back(base::text(name, " is missing: ", sizes_text(tensor)));
    } else {
      if (found->second.sizes() != tensor.sizes())
        misshapen.push_back(base::text(name, " has shape ", sizes_text(found->second),
                                       ", the model's is ", sizes_text(tensor)));
      unused.erase(found);
    }
  }
  for (const auto& [name, tensor] : unused)
    unknown.push_back(base::text(name, " ", sizes_text(tensor), " is unknown to the model"));
  if (!missing.empty() || !misshapen.empty() || !unknown.empty())
    throw base::BadInput(base::text(
        origin,
        ": the weights do not fit the model (another model.name, hidden_dims, latent_dim "
        "or image size?). Of the model's ",
        state.size(), " tensors ", missing.size(), " are missing and ", misshapen.size(),
        " have another shape; ", unknown.size(),
        " of the file's are left over:", misfit_lines({missing, misshapen, unknown})));

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) {
    at::Tensor target = tensor;
    target.copy_(weights.tensors.at(name));
  }
}

arrays::SampleShape sample_shape_of(const checkpoint::TensorFile& weights,
                                    const std::string& origin) {
  const std::map<std::string, std::string>& metadata = weights.metadata;
  try {
    // Files of earlier versions, and of other programs, say height and width.
    if (!metadata.contains("space"))
      return {std::stoll(metadata.at("channels")),
              {std::stoll(metadata.at("height")), std::stoll(metadata.at("width"))}};
    arrays::SampleShape shape{std::stoll(metadata.at("channels")), {}};
    std::istringstream sizes(metadata.at("space"));
    for (std::string size; std::getline(sizes, size, 'x');) shape.space.push_back(std::stoll(size));
    return shape;
  } catch (const std::exception&) {
    throw base::BadInput(
        base::text(origin, ": the metadata lack the shape of the samples (channels, space)"));
  }
}

}  // namespace vae_dist::step
