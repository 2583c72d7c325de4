#include "inference/foreign_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "config/words.hpp"
#include "step/make_model.hpp"
#include "step/weights.hpp"

namespace vae_dist::inference {
namespace {

constexpr std::size_t kFindings = 9;  // and one line for the rest

// At most ten lines of them.
std::string finding_lines(const std::vector<std::string>& findings) {
  std::string out;
  for (std::size_t i = 0; i < std::min(findings.size(), kFindings); ++i)
    out += "\n  " + findings[i];
  if (findings.size() > kFindings)
    out += base::text("\n  and ", findings.size() - kFindings, " more");
  return out;
}

// False of one that this program does not know.
bool takes_logits(const std::string& likelihood) {
  const base::Likelihood* const described =
      base::Registry<base::Likelihood>::all().find(likelihood);
  return described && described->traits_of(described->own.defaults).takes_logits;
}

// What the configuration has to say so that the network is the file's, as key=value.
std::vector<std::string> changes_for(const std::map<std::string, std::string>& stated,
                                     const config::Config& config) {
  const auto said = [&](const char* key) {
    return stated.contains(key) ? stated.at(key) : std::string();
  };
  const auto ours = step::weights_metadata(config, {});
  const auto differs = [&](const char* key) {
    return !said(key).empty() && said(key) != ours.at(key);
  };
  std::vector<std::string> changes;
  if (differs("range")) changes.push_back("data.range=" + said("range"));
  if (differs("activation")) changes.push_back("model.activation=" + said("activation"));
  if (!differs("output")) return changes;
  // Logits belong to a likelihood: where that differs, it is what is wrong.
  config::Config changed = config;
  if (differs("likelihood") &&
      takes_logits(said("likelihood")) != takes_logits(config.objective.likelihood.name)) {
    changes.push_back("objective.likelihood=" + said("likelihood"));
    changed.objective.likelihood.name = said("likelihood");
  }
  if (said("range").starts_with("[-1")) changed.data.range = {-1, 1};
  if (said("range").starts_with("[0")) changed.data.range = {0, 1};
  if (config::word(step::resolved_output(changed)) != said("output"))
    changes.push_back("model.output=" + said("output"));
  return changes;
}

std::string shell_words(const std::vector<std::string>& changes) {
  std::string out;
  for (const std::string& change : changes)
    out += (out.empty() ? "" : " ") +
           (change.find(' ') == std::string::npos ? change : "'" + change + "'");
  return out;
}

}  // namespace

std::string bare_name(const std::string& name) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = name.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string component = name.substr(begin, dot - begin);
    const bool wrapper =
        component == "module" || component == "_orig_mod" || (component == "model" && out.empty());
    if (!wrapper) out += component + ".";
  }
  return out + name.substr(begin);
}

checkpoint::TensorFile with_bare_names(checkpoint::TensorFile file, const std::string& origin) {
  checkpoint::TensorFile out;
  out.metadata = std::move(file.metadata);
  std::map<std::string, std::string> full_names;
  std::vector<std::string> collisions;
  for (auto& [name, tensor] : file.tensors) {
    const auto [place, fresh] = full_names.emplace(bare_name(name), name);
    if (fresh)
      out.tensors[place->first] = tensor;
    else
      collisions.push_back(
          base::text("'", place->second, "' and '", name, "' are both ", place->first));
  }
  if (!collisions.empty())
    throw base::BadInput(base::text(
        origin,
        " holds more than one set of weights: without the prefixes of wrappers (module., model., "
        "_orig_mod.) ",
        collisions.size(),
        " names are there twice. Save the set that is meant alone:", finding_lines(collisions)));
  return out;
}

void require_finite(const checkpoint::TensorFile& file, at::ScalarType type,
                    const std::string& origin) {
  std::vector<std::string> findings;
  for (const auto& [name, tensor] : file.tensors) {
    if (!tensor.is_floating_point()) continue;
    const at::Tensor values = tensor.to(type);
    const auto bad = (~values.isfinite()).sum().item<std::int64_t>();
    if (bad == 0) continue;
    const auto nan = values.isnan().sum().item<std::int64_t>();
    findings.push_back(base::text(name, ": ", nan, " NaN and ", bad - nan, " infinite of ",
                                  values.numel(), " values"));
  }
  if (!findings.empty())
    throw base::BadInput(
        base::text(origin, ": ", findings.size(), " of its ", file.tensors.size(),
                   " tensors hold values that are not finite, with which a model computes nothing "
                   "but such values. ",
                   "Take an earlier checkpoint, or --allow-not-finite takes them as they are:",
                   finding_lines(findings)));
}

void require_same_network(const checkpoint::TensorFile& file, const config::Config& config,
                          const std::string& origin) {
  const auto stated = file.metadata.find("output");
  const auto means_it = [&](config::Output output) {
    return stated->second == config::word(output);
  };
  if (stated == file.metadata.end() ||
      !(means_it(config::Output::sigmoid) || means_it(config::Output::tanh) ||
        means_it(config::Output::identity))) {
    if (config.model.output != config::Output::automatic) return;
    throw base::BadInput(base::text(
        origin,
        " does not say what its decoder ends in, which tensors can't tell, and model.output is "
        "auto (here ",
        config::word(step::resolved_output(config)),
        "). Give it: model.output=tanh for the classes of PyTorch-VAE (with data.range='[-1, 1]' "
        "if they saw such images, as configs/pytorch_vae.yaml has it), ",
        "model.output=sigmoid or model.output=identity for others; here, and when training goes "
        "on"));
  }
  const std::vector<std::string> changes = changes_for(file.metadata, config);
  if (changes.empty()) return;
  throw base::BadInput(base::text(origin,
                                  " says that its network is another than the configuration's: the "
                                  "same weights would compute something else. Give ",
                                  shell_words(changes), ", here and when training goes on"));
}

}  // namespace vae_dist::inference
