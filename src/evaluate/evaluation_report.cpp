#include "evaluate/evaluation_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/channel_report.hpp"
#include "evaluate/collapse.hpp"

namespace vae_dist::evaluate {

namespace {

constexpr std::size_t kDimensionsShown = 12;

// Returns the dimensions in descending order of their KL.
std::vector<std::size_t> by_kld(const std::vector<double>& kld) {
  std::vector<std::size_t> order(kld.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return kld[a] > kld[b]; });
  return order;
}

class Lines {
 public:
  void add(const std::string& name, const std::string& value) {
    out_ += "  " + name + std::string(kNameWidth - std::min(kNameWidth, name.size()), ' ') + value +
            "\n";
  }
  const std::string& text() const { return out_; }

 private:
  static constexpr std::size_t kNameWidth = 20;
  std::string out_;
};

const char* log_p_name(const Evaluation& e) { return e.conditional ? "log p(x|y)" : "log p(x)"; }

std::string decibels(double mse) { return base::digits(psnr_db(mse)) + " dB"; }

std::string dimensions_text(const std::vector<double>& kld) {
  const std::vector<std::size_t> order = by_kld(kld);
  const std::size_t shown = std::min(order.size(), kDimensionsShown);
  std::string out;
  for (std::size_t i = 0; i < shown; ++i)
    out += base::text(i ? ", z" : "z", order[i], " ", base::digits(kld[order[i]], 3));
  return out + (shown < order.size()
                    ? base::text(" nats: the largest ", shown, " of ", order.size())
                    : " nats");
}

std::string figures_text(const SampleQuality::Figures& figures) {
  return base::text("coverage ", base::digits(figures.of_samples.coverage), " (real images reach ",
                    base::digits(figures.of_real.coverage), "), density ",
                    base::digits(figures.of_samples.density), " (",
                    base::digits(figures.of_real.density), ")");
}

void add_loss(const EvaluationSubject& subject, const Evaluation& e, Lines& lines) {
  lines.add("loss", base::digits(e.loss) +
                        (subject.has_kld ? base::text(", at M_N ", base::digits(subject.kld_weight),
                                                      " and beta ", base::digits(subject.beta))
                                         : ""));
  if (e.final_loss)
    lines.add("final loss",
              base::digits(*e.final_loss) + ", at the beta and C that the schedules end with");
  for (const auto& [term, value] : e.script_terms) lines.add(term, base::digits(value));
  lines.add("reconstruction",
            base::text(base::digits(e.reconstruction), " ", subject.reconstruction_unit));
  if (e.active_units) lines.add("KL", base::text(base::digits(e.kld_nats), " nats per sample"));
  if (e.elbo_nats)
    lines.add(e.conditional ? "ELBO of log p(x|y)" : "ELBO",
              base::text(base::digits(*e.elbo_nats, 6), " nats per sample, ",
                         base::digits(*e.bits_per_dim), " bits/dim"));
  for (const Evaluation::LogP& estimate : e.log_p) {
    const bool all = &estimate == &e.log_p.back();
    lines.add(
        base::text(log_p_name(e), ", K = ", estimate.draws),
        base::text(base::digits(estimate.nats, 6), " nats per sample",
                   all ? base::text(" (effective sample size ", base::digits(*e.effective_samples),
                                    " of ", estimate.draws, " draws)")
                       : ""));
  }
  if (e.fixed_sigma && (e.elbo_nats || !e.log_p.empty()))
    lines.add("", base::text("at the fixed sigma ", base::digits(*e.fixed_sigma),
                             " (objective.sigma): not a tuned likelihood, so do not compare it "
                             "with one. objective.variance: optimal or learned fits sigma"));
}

// The first channels; the JSON has all of them.
std::string channels_text(const CodeMoments& channels) {
  const std::size_t shown = std::min(channels.mean.size(), kDimensionsShown);
  std::string out;
  for (std::size_t c = 0; c < shown; ++c)
    out += base::text(c ? ", " : "", base::digits(channels.mean[c], 3), " ± ",
                      base::digits(channels.deviation[c], 3));
  return out + (shown < channels.mean.size()
                    ? base::text(": the first ", shown, " of ", channels.mean.size())
                    : "");
}

nlohmann::ordered_json moments_json(const CodeMoments& moments) {
  return {{"mean", moments.mean},
          {"deviation", moments.deviation},
          {"deviation_of_mean", moments.deviation_of_mean}};
}

nlohmann::ordered_json figures_json(const SampleQuality::Figures& figures) {
  return {{"coverage", figures.of_samples.coverage},
          {"density", figures.of_samples.density},
          {"real_coverage", figures.of_real.coverage},
          {"real_density", figures.of_real.density}};
}

}  // namespace

std::string reconstruction_unit(const objective::ObjectiveOptions& objective,
                                const base::LikelihoodTraits& likelihood) {
  if (objective::is_squared_error(objective, likelihood)) return "squared error per value";
  return objective.reduction == objective::Reduction::sum ? "nats per sample" : "nats per value";
}

std::string evaluation_table(const EvaluationSubject& subject, const FullEvaluation& result) {
  const Evaluation& e = result.evaluation;
  Lines lines;
  lines.add("data", subject.data);
  lines.add("samples", base::text(subject.samples.first, ":", subject.samples.last));
  add_loss(subject, e, lines);
  if (e.reconstructs) {
    lines.add("MSE", base::text(base::digits(e.mse), " per value on [0, 1], the mean image's ",
                                base::digits(result.mean_image_mse)));
    lines.add("PSNR",
              base::text(decibels(e.mse), ", the mean image's ", decibels(result.mean_image_mse)));
  }
  if (e.active_units) {
    lines.add("active units", base::text(*e.active_units, " of ", e.kld_per_dimension.size(),
                                         " (variance of E[z|x] above ",
                                         base::digits(Evaluation::kActiveVariance), ")"));
    lines.add("KL per dimension", dimensions_text(e.kld_per_dimension));
  }
  if (const auto& quality = result.sample_quality) {
    lines.add("prior samples", base::text(quality->samples, " against as many real images, k = ",
                                          kCoverageNeighbours, "; blur inflates density"));
    lines.add("  pixels", figures_text(quality->pixels));
    if (quality->embedding) lines.add("  random features", figures_text(*quality->embedding));
  }
  if (const auto& scores = result.factor_scores) {
    std::string names;
    for (const std::string& name : scores->factors) names += (names.empty() ? "" : ", ") + name;
    lines.add("disentanglement",
              base::text("BetaVAE ", base::digits(scores->beta_vae), ", FactorVAE ",
                         base::digits(scores->factor_vae), ", MIG ", base::digits(scores->mig),
                         ", SAP ", base::digits(scores->sap)));
    lines.add("  factors", names);
  } else if (!result.no_scores_because.empty()) {
    lines.add("disentanglement", "none: " + result.no_scores_because);
  }
  if (const auto& code = result.latent_statistics) {
    lines.add("code", base::text("mean ", base::digits(code->all.mean[0]), ", deviation ",
                                 base::digits(code->all.deviation[0]), ": shift ",
                                 base::digits(code->shift()), ", scaling factor ",
                                 base::digits(code->scaling_factor())));
    lines.add("code by channel", channels_text(code->channels));
  }
  if (const auto& parts = result.aggregate) {
    lines.add("total correlation",
              base::text(base::digits(parts->total_correlation),
                         " nats, against the posteriors of ", parts->rows, " training rows"));
    lines.add("  index-code MI", base::text(base::digits(parts->index_code), " nats"));
    lines.add("  KL by dimension", base::text(base::digits(parts->dimension_wise), " nats"));
  }
  const std::string sign = collapse_sign(e, result.mean_image_mse);
  if (!sign.empty()) lines.add("warning", sign);
  return base::text(subject.checkpoint, ": ", subject.model, ", step ", subject.step, "\n",
                    lines.text());
}

nlohmann::ordered_json evaluation_json(const EvaluationSubject& subject,
                                       const FullEvaluation& result) {
  const Evaluation& e = result.evaluation;
  nlohmann::ordered_json out = {{"checkpoint", subject.checkpoint},
                                {"model", subject.model},
                                {"step", subject.step},
                                {"data", subject.data},
                                {"first_sample", subject.samples.first},
                                {"samples", e.samples},
                                {"loss", e.loss},
                                {"reconstruction", e.reconstruction},
                                {"reconstruction_unit", subject.reconstruction_unit}};
  if (e.conditional) out["conditional"] = true;  // all likelihoods are those of p(x|y)
  if (e.final_loss) out["final_loss"] = *e.final_loss;
  for (const auto& [term, value] : e.regularisers) out["regularisers"][term] = value;
  for (const auto& [term, value] : e.script_terms) out["script_terms"][term] = value;
  if (subject.has_kld) {
    out["kld_weight"] = subject.kld_weight;
    out["beta"] = subject.beta;
    out["kld_nats"] = e.kld_nats;
  }
  if (e.elbo_nats) out["elbo_nats"] = *e.elbo_nats;
  if (e.fixed_sigma && (e.elbo_nats || !e.log_p.empty())) out["fixed_sigma"] = *e.fixed_sigma;
  if (e.bits_per_dim) out["bits_per_dim"] = *e.bits_per_dim;
  for (const Evaluation::LogP& estimate : e.log_p)
    out["log_p_nats"].push_back({{"draws", estimate.draws}, {"nats", estimate.nats}});
  if (e.effective_samples) out["effective_samples"] = *e.effective_samples;
  if (e.reconstructs) {
    out["mse"] = e.mse;
    out["psnr_db"] = e.psnr();
  }
  out["mean_image_mse"] = result.mean_image_mse;
  out["mean_image_psnr_db"] = psnr_db(result.mean_image_mse);
  if (e.active_units) {
    out["active_units"] = *e.active_units;
    out["kld_per_dimension_nats"] = e.kld_per_dimension;
    out["latent_variance"] = e.latent_variance;
  }
  if (const auto& quality = result.sample_quality) {
    out["prior_samples"] = {{"samples", quality->samples},
                            {"neighbours", kCoverageNeighbours},
                            {"pixels", figures_json(quality->pixels)}};
    if (quality->embedding)
      out["prior_samples"]["random_embedding"] = figures_json(*quality->embedding);
  }
  if (const auto& scores = result.factor_scores)
    out["disentanglement"] = {{"dataset", scores->dataset},   {"factors", scores->factors},
                              {"beta_vae", scores->beta_vae}, {"factor_vae", scores->factor_vae},
                              {"mig", scores->mig},           {"sap", scores->sap}};
  if (const auto& code = result.latent_statistics)
    out["latent_statistics"] = {{"rows", code->rows},
                                {"shift", code->shift()},
                                {"scaling_factor", code->scaling_factor()},
                                {"channels", moments_json(code->channels)},
                                {"dimensions", moments_json(code->dimensions)}};
  if (const auto& parts = result.aggregate)
    out["aggregate_posterior"] = {{"rows", parts->rows},
                                  {"codes", parts->codes},
                                  {"total_correlation", parts->total_correlation},
                                  {"mutual_information", parts->index_code},
                                  {"dimension_wise_kl", parts->dimension_wise}};
  if (result.channel_figures) out.update(channels_json(*result.channel_figures));
  return out;
}

std::string text_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - row[c].size(), ' ');
      line += c == 0 ? row[c] + padding : "  " + padding + row[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string evaluation_text(const Evaluation& result, double mean_image_mse) {
  std::string out = "loss " + base::digits(result.loss);
  if (result.final_loss)
    out += base::text(" (at the final weights ", base::digits(*result.final_loss), ")");
  if (result.reconstructs)
    out += base::text(", MSE ", base::digits(result.mse), " (mean image ",
                      base::digits(mean_image_mse), ")");
  if (result.active_units)
    out += base::text(", KL ", base::digits(result.kld_nats), " nats, ", *result.active_units,
                      " of ", result.kld_per_dimension.size(), " units active");
  if (result.elbo_nats)
    out += base::text(", ELBO ", base::digits(*result.elbo_nats), " nats (",
                      base::digits(*result.bits_per_dim), " bits/dim",
                      result.fixed_sigma
                          ? base::text(", at the fixed sigma ", base::digits(*result.fixed_sigma),
                                       ": not a tuned likelihood")
                          : "",
                      ")");
  if (!result.log_p.empty())
    out += base::text(", ", log_p_name(result), " ", base::digits(result.log_p.back().nats),
                      " nats (", result.log_p.back().draws, " draws, effective sample size ",
                      base::digits(*result.effective_samples), ")");
  return out;
}

}  // namespace vae_dist::evaluate
