#include "metrics/step_terms.hpp"

#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/utf8.hpp"

namespace vae_dist::metrics {

const std::vector<StepTerm>& step_terms() {
  static const std::vector<StepTerm> all = {
      {{.name = "loss",
        .title = "Loss",
        .unit = "",
        .series = "vae_dist_loss",
        .help = "Training loss of the last step: reconstruction + M_N * beta * KL (or what the "
                "objective uses instead of it), mean over the global batch.",
        .falls = true},
       &StepMetrics::loss,
       true,
       "loss"},
      {{.name = "reconstruction_loss",
        .title = "Reconstruction loss",
        .unit = "",
        .series = "vae_dist_reconstruction_loss",
        .help = "Reconstruction term of the last step, in the configured reduction (mean: squared "
                "error per pixel; sum: nats per sample).",
        .falls = true},
       &StepMetrics::reconstruction_loss,
       true,
       "recon"},
      {{.name = "kld",
        .title = "KL divergence",
        .unit = "nats per sample",
        .series = "vae_dist_kld_nats",
        .help = "KL divergence of the last step, nats per sample, not weighted, positive."},
       &StepMetrics::kld_nats,
       true,
       "KL",
       " nats"},
      {{.name = "kld_weight",
        .title = "M_N, the weight of the KL divergence",
        .unit = "",
        .series = "vae_dist_kld_weight",
        .help = "M_N: the weight of the KL term, computed from the global batch, without beta."},
       &StepMetrics::kld_weight},
      {{.name = "beta",
        .title = "β",
        .unit = "",
        .series = "vae_dist_beta",
        .help = "beta of the last step: the schedule's factor on M_N * KL."},
       &StepMetrics::beta},
      {{.name = "learning_rate",
        .title = "Learning rate",
        .unit = "",
        .series = "vae_dist_learning_rate",
        .help = "Learning rate of the last step, after schedule and warm-up."},
       &StepMetrics::learning_rate},
      {{.name = "gradient_norm",
        .title = "Gradient norm, before clipping",
        .unit = "",
        .series = "vae_dist_gradient_norm",
        .help = "L2 norm of the whole gradient at the last step, before clipping.",
        .falls = true},
       &StepMetrics::gradient_norm,
       true},
  };
  return all;
}

const std::vector<EvaluationTerm>& evaluation_terms() {
  static const std::vector<EvaluationTerm> all = {
      {{.name = "evaluation_loss",
        .title = "Loss",
        .unit = "",
        .series = "vae_dist_validation_loss",
        .help =
            "Loss of the last evaluation on the validation rows, computed like the training loss.",
        .falls = true},
       &EvaluationMetrics::loss,
       true},
      {{.name = "evaluation_final_loss",
        .title = "Loss at the final weights",
        .unit = "",
        .series = "vae_dist_validation_final_loss",
        .help = "Loss of the last evaluation on the validation rows with the beta and C that the "
                "schedules end with.",
        .falls = true},
       &EvaluationMetrics::final_loss,
       true},
      {{.name = "evaluation_reconstruction_loss",
        .title = "Reconstruction loss",
        .unit = "",
        .series = "vae_dist_validation_reconstruction_loss",
        .help = "Reconstruction term of the last evaluation on the validation rows, in the "
                "configured reduction.",
        .falls = true},
       &EvaluationMetrics::reconstruction_loss,
       true},
      {{.name = "evaluation_kld",
        .title = "KL divergence",
        .unit = "nats per sample",
        .series = "vae_dist_validation_kld_nats",
        .help = "KL divergence of the last evaluation on the validation rows, nats per sample."},
       &EvaluationMetrics::kld_nats,
       true},
      {{.name = "evaluation_mse",
        .title = "Mean squared error of reconstructions",
        .unit = "",
        .series = "vae_dist_validation_mse",
        .help = "Mean squared error per value, on [0, 1], of reconstructions from the posterior "
                "mean: last evaluation on the validation rows.",
        .falls = true},
       &EvaluationMetrics::mse,
       true},
      {{.name = "mean_image_mse",
        .title = "Mean squared error of the mean image",
        .unit = "",
        .series = "",
        .help = ""},
       &EvaluationMetrics::mean_image_mse},
      {{.name = "active_units",
        .title = "Active units",
        .unit = "latent dimensions",
        .series = "vae_dist_active_units",
        .help = "Latent dimensions whose posterior mean varies over the data by more than 0.01 "
                "(Burda et al. 2016), last evaluation.",
        .counts = true},
       &EvaluationMetrics::active_units},
      {{.name = "elbo_nats",
        .title = "ELBO",
        .unit = "nats per sample",
        .series = "vae_dist_elbo_nats",
        .help = "Evidence lower bound of the last evaluation with all constants and beta 1, nats "
                "per sample."},
       &EvaluationMetrics::elbo_nats},
      {{.name = "bits_per_dim",
        .title = "Bits per dimension",
        .unit = "bits",
        .series = "vae_dist_bits_per_dim",
        .help = "The bound of the last evaluation in bits per value of 256 levels."},
       &EvaluationMetrics::bits_per_dim},
  };
  return all;
}

std::string name_beside_a_step(const std::string& name) {
  constexpr std::string_view kPrefix = "evaluation_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

void write_terms(const std::filesystem::path& file, const std::vector<base::Term>& terms) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const base::Term& term : terms) {
    nlohmann::ordered_json& entry =
        object[base::utf8_text(term.name)] = {{"title", term.title}, {"unit", term.unit}};
    if (term.falls) entry["falls"] = true;
    if (term.counts) entry["counts"] = true;
    if (!term.series.empty()) entry["series"] = term.series;
    for (const auto& [label, value] : term.labels) entry["labels"][label] = value;
    if (!term.help.empty()) entry["help"] = term.help;
  }
  base::replace_file(file, base::json_text(object, 2) + "\n");
}

std::vector<base::Term> read_terms(const std::filesystem::path& file) {
  std::vector<base::Term> out;
  if (!std::filesystem::exists(file)) return out;
  const auto object =
      nlohmann::ordered_json::parse(base::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return out;
  for (const auto& [name, entry] : object.items()) {
    if (!entry.is_object()) continue;
    const auto words = [&, &described = entry](const char* key) {
      return described.contains(key) && described[key].is_string()
                 ? described[key].template get<std::string>()
                 : std::string();
    };
    const auto flag = [&, &described = entry](const char* key) {
      return described.contains(key) && described[key].is_boolean() &&
             described[key].template get<bool>();
    };
    out.push_back({.name = name,
                   .title = words("title"),
                   .unit = words("unit"),
                   .series = words("series"),
                   .help = words("help"),
                   .falls = flag("falls"),
                   .counts = flag("counts")});
  }
  return out;
}

}  // namespace vae_dist::metrics
