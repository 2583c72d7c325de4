#include "inference/compared_models.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/digits.hpp"
#include "base/error.hpp"
#include "comm/agreement.hpp"
#include "evaluate/read_samples.hpp"
#include "inference/evaluated_data.hpp"
#include "step/make_model.hpp"

namespace vae_dist::inference {
namespace {

// Gives every model the first run's own data; only their preparation is each run's own.
TrainedModel with_data_of(TrainedModel model, const TrainedModel& first) {
  model.config.data.train = first.config.data.train;
  model.config.data.validation = first.config.data.validation;
  // The seed of a run decides which part is held out.
  model.config.run.seed = first.config.run.seed;
  return model;
}

// Returns the run directory of a checkpoint: <run>/checkpoints/step_00000500.
std::string run_directory_of(const ComparedModel& model) {
  const std::filesystem::path run =
      model.trained.origin.lexically_normal().parent_path().parent_path();
  return run.empty() ? model.trained.origin.string() : run.string();
}

// Returns "mnist"; if that does not tell the models apart, "mnist step 500", then
// "elsewhere/mnist step 500"; the same checkpoint twice is "... (2)".
std::vector<std::string> short_names(const std::vector<ComparedModel>& models) {
  using Name = std::function<std::string(const ComparedModel&)>;
  const std::vector<Name> longer = {
      [](const ComparedModel& model) {
        return base::text(model.trained.config.run.name, " step ", model.subject.step);
      },
      [](const ComparedModel& model) {
        return base::text(run_directory_of(model), " step ", model.subject.step);
      }};
  std::vector<std::string> names;
  for (const ComparedModel& model : models) names.push_back(model.trained.config.run.name);
  for (const Name& name : longer) {
    std::map<std::string, int> seen;
    for (const std::string& each : names) ++seen[each];
    for (std::size_t m = 0; m < models.size(); ++m)
      if (seen[names[m]] > 1) names[m] = name(models[m]);
  }
  std::map<std::string, int> seen;
  for (std::string& name : names)
    if (const int copy = ++seen[name]; copy > 1) name += base::text(" (", copy, ")");
  return names;
}

// Describes the terms of a model's loss.
std::string loss_text(const ComparedModel& model) {
  const evaluate::EvaluationSubject& s = model.subject;
  if (!s.script.empty()) return "the script " + s.script;
  return s.reconstruction_unit +
         (s.has_kld ? base::text(" + ", base::digits(s.kld_weight * s.beta), " * KL") : "");
}

// Returns an empty string if all losses are the same function.
std::string loss_note(const std::vector<ComparedModel>& models,
                      const std::vector<std::string>& names) {
  const bool alike = std::all_of(models.begin(), models.end(), [&](const ComparedModel& model) {
    return loss_text(model) == loss_text(models.front());
  });
  if (alike) return "";
  std::string out =
      "loss and reconstruction are not comparable, because the models define them differently:\n";
  for (std::size_t m = 0; m < models.size(); ++m)
    out += base::text("  ", names[m], ": ", loss_text(models[m]), "\n");
  return out;
}

// A bound at a deviation that was not fitted says little, and less beside one that was.
std::string sigma_note(const std::vector<ComparedModel>& models,
                       const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t m = 0; m < models.size(); ++m) {
    const evaluate::Evaluation& e = models[m].result.evaluation;
    if (e.fixed_sigma && (e.elbo_nats || !e.log_p.empty()))
      list +=
          base::text(list.empty() ? "" : ", ", names[m], " (", base::digits(*e.fixed_sigma), ")");
  }
  return list.empty()
             ? ""
             : base::text(
                   "ELBO, bits/dim and log p are not tuned likelihoods where sigma is fixed: ",
                   list, "\n");
}

std::int64_t parameters_of(const model::LatentModel& model) {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : step::trained_parameters(model)) count += parameter.numel();
  return count;
}

ComparedModel compare_one(TrainedModel trained, const step::ResolvedObjective& resolved,
                          const ComparisonOptions& options, const comm::MpiWorld& world,
                          comm::CpuCommunicator& all_ranks) {
  const SharedData data = open_shared_data(trained, options.data, world, all_ranks);
  arrays::RowRange samples;
  comm::agree(all_ranks, [&] {
    samples = chosen_rows(options.rows, data.images.size());
    step::check_likelihood_fits(trained.config, data.images);
  });
  trained.model->to(options.device);
  evaluate::EvaluationOptions how = evaluation_options(trained.config, resolved, data.images,
                                                       samples, trained.state.step, options.device);
  if (options.importance_samples) how.importance_samples = *options.importance_samples;
  ComparedModel out;
  out.result = evaluate::evaluate_fully(*trained.model,
                                        objective::Objective(resolved.options, *trained.model),
                                        data.images, how, options.coverage_samples, all_ranks);
  if (options.channel_figures)
    out.result.channel_figures =
        evaluate::channel_figures(*trained.model, data.images, how, all_ranks);
  out.subject = evaluation_subject(trained, resolved, data.images, samples);
  out.parameters = parameters_of(*trained.model);
  trained.model->to(c10::kCPU);
  out.trained = std::move(trained);
  return out;
}

}  // namespace

std::vector<ComparedModel> compare_models(const ComparisonOptions& options,
                                          const comm::MpiWorld& world,
                                          comm::CpuCommunicator& all_ranks) {
  std::vector<TrainedModel> loaded;
  for (const std::string& location : options.models)
    loaded.push_back(load_shared_model(location, all_ranks));
  std::vector<ComparedModel> out;
  for (const TrainedModel& trained : loaded) {
    step::ResolvedObjective resolved;
    comm::agree(all_ranks, [&] { resolved = objective_of(trained); });
    out.push_back(
        compare_one(with_data_of(trained, loaded.front()), resolved, options, world, all_ranks));
  }
  return out;
}

std::string comparison_table(const std::vector<ComparedModel>& models) {
  using Cell = std::function<std::string(const ComparedModel&)>;
  const auto optional = [](const std::optional<double>& value, int significant) {
    return value ? base::digits(*value, significant) : std::string();
  };
  const std::vector<std::pair<std::string, Cell>> columns = {
      {"model", [](const ComparedModel& m) { return m.subject.model; }},
      {"step", [](const ComparedModel& m) { return std::to_string(m.subject.step); }},
      {"parameters", [](const ComparedModel& m) { return std::to_string(m.parameters); }},
      {"M_N",
       [](const ComparedModel& m) {
         return m.subject.has_kld ? base::digits(m.subject.kld_weight) : "";
       }},
      {"beta",
       [](const ComparedModel& m) {
         return m.subject.has_kld ? base::digits(m.subject.beta) : "";
       }},
      {"loss", [](const ComparedModel& m) { return base::digits(m.result.evaluation.loss); }},
      {"reconstruction",
       [](const ComparedModel& m) { return base::digits(m.result.evaluation.reconstruction); }},
      {"KL/nats",
       [](const ComparedModel& m) {
         return m.subject.has_kld ? base::digits(m.result.evaluation.kld_nats) : "";
       }},
      {"active",
       [](const ComparedModel& m) {
         return m.result.evaluation.active_units ? base::text(*m.result.evaluation.active_units,
                                                              "/", m.trained.model->latent_values())
                                                 : "";
       }},
      {"ELBO/nats",
       [&](const ComparedModel& m) { return optional(m.result.evaluation.elbo_nats, 6); }},
      {"bits/dim",
       [&](const ComparedModel& m) { return optional(m.result.evaluation.bits_per_dim, 4); }},
      {"log_p/nats",
       [](const ComparedModel& m) {
         return m.result.evaluation.log_p.empty()
                    ? ""
                    : base::digits(m.result.evaluation.log_p.back().nats, 6);
       }},
      {"MSE",
       [](const ComparedModel& m) {
         return m.result.evaluation.reconstructs ? base::digits(m.result.evaluation.mse) : "";
       }},
      {"PSNR/dB",
       [](const ComparedModel& m) {
         return m.result.evaluation.reconstructs ? base::digits(m.result.evaluation.psnr()) : "";
       }},
      {"coverage",
       [](const ComparedModel& m) {
         return m.result.sample_quality
                    ? base::digits(m.result.sample_quality->pixels.of_samples.coverage, 3)
                    : "";
       }},
      {"density",
       [](const ComparedModel& m) {
         return m.result.sample_quality
                    ? base::digits(m.result.sample_quality->pixels.of_samples.density, 3)
                    : "";
       }},
      {"BetaVAE",
       [](const ComparedModel& m) {
         return m.result.factor_scores ? base::digits(m.result.factor_scores->beta_vae, 3) : "";
       }},
      {"FactorVAE",
       [](const ComparedModel& m) {
         return m.result.factor_scores ? base::digits(m.result.factor_scores->factor_vae, 3) : "";
       }},
      {"MIG",
       [](const ComparedModel& m) {
         return m.result.factor_scores ? base::digits(m.result.factor_scores->mig, 3) : "";
       }},
      {"SAP",
       [](const ComparedModel& m) {
         return m.result.factor_scores ? base::digits(m.result.factor_scores->sap, 3) : "";
       }},
  };
  std::vector<std::vector<std::string>> rows = {{"run"}};
  const std::vector<std::string> names = short_names(models);
  for (const std::string& name : names) rows.push_back({name});
  for (const auto& [name, cell] : columns) {
    const bool anywhere =
        std::any_of(models.begin(), models.end(),
                    [&](const ComparedModel& model) { return !cell(model).empty(); });
    if (!anywhere) continue;
    rows[0].push_back(name);
    for (std::size_t m = 0; m < models.size(); ++m)
      rows[m + 1].push_back(cell(models[m]).empty() ? "-" : cell(models[m]));
  }
  const ComparedModel& first = models.front();
  return base::text(first.subject.data, ", samples ", first.subject.samples.first, ":",
                    first.subject.samples.last, "; the mean image's MSE is ",
                    base::digits(first.result.mean_image_mse), "\n", evaluate::text_columns(rows),
                    loss_note(models, names), sigma_note(models, names));
}

nlohmann::ordered_json comparison_json(const std::vector<ComparedModel>& models) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const ComparedModel& model : models) {
    out.push_back(evaluate::evaluation_json(model.subject, model.result));
    out.back()["parameters"] = model.parameters;
  }
  return out;
}

ComparedPictures compare_pictures(const ComparisonOptions& options,
                                  const std::vector<ComparedModel>& models, std::int64_t count,
                                  std::uint64_t seed) {
  ComparedPictures out;
  count = std::min(count, models.front().subject.samples.size());
  const std::vector<std::string> names = short_names(models);
  for (std::size_t m = 0; m < models.size(); ++m) {
    const TrainedModel& trained = models[m].trained;
    const data::SampleDataset images = open_chosen_data(trained, options.data);
    const data::InputFormat format = input::input_format(trained.config, images, c10::kCPU);
    const report::Showing own = report::showing_of(format, images);
    if (m == 0) out.showing = {.range = own.range, .channels = own.channels};
    if (out.showing.range) out.showing.range = plot::Range{0, 1};
    const auto on_common_range = [&](const at::Tensor& values) -> at::Tensor {
      if (own.normaliser) return report::shown_values(values, own);
      return ((values - format.low) / (format.high - format.low)).to(at::kFloat);
    };
    const arrays::RowRange samples = models[m].subject.samples;
    report::ComparedImages made{names[m], {}, {}};
    if (evaluate::can_sample_prior(*trained.model))
      made.samples = on_common_range(
          evaluate::sample_prior(*trained.model, count, seed, 1.0, evaluate::Prior::normal,
                                 evaluate::conditions_of(images, samples.first, count, format)));
    if (trained.model->latent_kind() != base::LatentKind::none) {
      const evaluate::Reconstructions pairs = evaluate::reconstruct(
          *trained.model, images, samples.first, count, format, evaluate::Latent::mean, seed);
      made.reconstructions = on_common_range(pairs.reconstructions);
      if (!out.inputs.defined()) out.inputs = on_common_range(pairs.originals);
    }
    out.models.push_back(std::move(made));
  }
  return out;
}

}  // namespace vae_dist::inference
