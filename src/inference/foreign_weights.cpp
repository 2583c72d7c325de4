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

constexpr std::size_t kFindings = 9;  // plus one line for the rest

// Lists the findings in at most ten lines.
std::string finding_lines(const std::vector<std::string>& findings) {
  std::string out;
  for (std::size_t i = 0; i < std::min(findings.size(), kFindings); ++i)
    out += "\n  " + findings[i];
  if (findings.size() > kFindings)
    out += base::text("\n  and ", findings.size() - kFindings, " more");
  return out;
}

// Returns false for a likelihood that this program does not know.
bool takes_logits(const std::string& likelihood) {
  const base::Likelihood* const described =
      base::Registry<base::Likelihood>::all().find(likelihood);
  return described && described->traits_of(described->own.defaults).takes_logits;
}

// Returns the settings, as key=value, that make the configuration's network that of the file.
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
  // The likelihood decides whether the output is logits, so if it differs, change the likelihood.
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
    const auto [known, fresh] = full_names.emplace(bare_name(name), name);
    if (fresh)
      out.tensors[known->first] = tensor;
    else
      collisions.push_back(
          base::text("'", known->second, "' and '", name, "' are both ", known->first));
  }
  if (!collisions.empty())
    throw base::BadInput(base::text(
        origin,
        " holds more than one set of weights: without the prefixes of wrappers (module., model., "
        "_orig_mod.), ",
        collisions.size(),
        " names occur twice. Save only the set that you want:", finding_lines(collisions)));
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
                   " tensors hold values that are not finite, which would spread to everything "
                   "that the model computes. ",
                   "Use an earlier checkpoint, or load them as they are with --allow-not-finite:",
                   finding_lines(findings)));
}

void require_same_network(const checkpoint::TensorFile& file, const config::Config& config,
                          const std::string& origin) {
  if (config::has_foreign_layers(config.model)) return;  // its file says how it computes
  const auto stated = file.metadata.find("output");
  const auto means_it = [&](config::Output output) {
    return stated->second == config::word(output);
  };
  if (stated == file.metadata.end() ||
      !(means_it(config::Output::sigmoid) || means_it(config::Output::tanh) ||
        means_it(config::Output::identity))) {
    if (config.model.output != config::Output::automatic) return;
    throw base::BadInput(
        base::text(origin,
                   " does not state the output function of its decoder, which tensors do not "
                   "reveal, and model.output is auto (here ",
                   config::word(step::resolved_output(config)),
                   "). Set model.output=tanh for the classes of PyTorch-VAE (with data.range='[-1, "
                   "1]' if they saw such images, as in configs/pytorch_vae.yaml), ",
                   "or model.output=sigmoid or model.output=identity for others, here and when "
                   "training continues"));
  }
  const std::vector<std::string> changes = changes_for(file.metadata, config);
  if (changes.empty()) return;
  throw base::BadInput(base::text(origin,
                                  " describes a different network from the configuration's, in "
                                  "which the same weights would compute something else. Set ",
                                  shell_words(changes), ", here and when training continues"));
}

}  // namespace vae_dist::inference
