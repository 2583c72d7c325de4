#include "train/start_table.hpp"

#include <algorithm>
#include <cmath>

#include "run/choose_device.hpp"
#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/collapse_forecast.hpp"
#include "step/out_of_memory.hpp"
#include "run/run_directory.hpp"
#include "step/beta_schedule.hpp"

namespace vae_dist {
namespace {

bool is_sum(const StartFacts& f) { return f.objective.options.reduction == Reduction::sum; }

// What the decoder's standard deviation comes to, weighed against the KL as it is at the schedule's end; none where it is learned or there is no KL.
std::optional<double> sigma_of(const StartFacts& f) {
  const LikelihoodOptions& likelihood = f.objective.likelihood;
  const bool fixed = likelihood.kind == LikelihoodKind::gaussian && likelihood.variance == Variance::fixed;
  if (!fixed || !f.objective.has_kld || f.objective.options.capacity_gamma > 0) return std::nullopt;
  const double beta = largest_beta(f.config.objective.beta);
  if (is_sum(f)) return effective_sigma_of_sum(f.objective.kld_weight, beta, likelihood.sigma);
  return effective_sigma(f.objective.kld_weight, beta, f.train.shape().values());
}

std::string likelihood_text(const StartFacts& f) {
  const ObjectiveConfig& objective = f.config.objective;
  const bool seeds_own = is_squared_error(f.objective.options, f.objective.likelihood);
  const std::string variance = objective.variance == "fixed" ? (seeds_own ? "" : text(", sigma ", objective.sigma)) : text(", variance ", objective.variance);
  return text(objective.likelihood, objective.likelihood == "gaussian" ? variance : "", ", reduction ", objective.reduction,
              seeds_own ? " (squared error per value)" : is_sum(f) ? " (nats per sample)" : " (nats per value)");
}

std::string beta_text(const BetaConfig& beta) {
  if (beta.schedule == "linear") return text("beta ", beta.from, " -> ", beta.to, " over ", *beta.steps, " steps");
  if (beta.schedule == "cyclical") return text("beta ", beta.from, " -> ", beta.to, " in the first ", beta.ratio, " of every ", *beta.period_steps, " steps");
  return text("beta ", beta.value);
}

// What the loss weighs against the reconstruction.
void add_regularizer(const StartFacts& f, TableRows& rows) {
  const ObjectiveOptions& options = f.objective.options;
  if (f.config.model.name == "autoencoder") rows.emplace_back("latent", "a point: no KL, no M_N");
  if (f.config.model.name == "decoder_only") rows.emplace_back("latent", text("no encoder: marginal likelihood by ", options.prior_samples, " draws of the prior a replica and step"));
  if (!f.objective.has_kld) return;
  if (options.capacity_gamma > 0) {
    rows.emplace_back("capacity", text(options.capacity_gamma, " * |KL - C|, C 0 -> ", *f.objective.capacity.max_nats, " nats over ", *f.objective.capacity.steps, " steps"));
    return;
  }
  rows.emplace_back("M_N", text(digits(f.objective.kld_weight, 6), " by ", f.objective.rule, "; ", beta_text(f.config.objective.beta)));
  if (options.free_bits > 0) rows.emplace_back("free bits", text(options.free_bits, " nats a latent dimension"));
  if (options.importance_samples > 1) rows.emplace_back("importance samples", text(options.importance_samples, " a training sample"));
}

}  // namespace

TableRows start_table(const StartFacts& f) {
  const Config& config = f.config;
  const std::int64_t steps = f.learning_rate.steps_planned, per_epoch = f.learning_rate.steps_per_epoch;
  const double state_bytes = model_bytes(config, f.parameters, f.plan.replicas_per_rank());
  const double data_bytes = f.train.in_memory() ? static_cast<double>(f.train.memory_bytes()) : 0;

  TableRows rows;
  rows.emplace_back("run", RunDirectory(config.run).path().string());
  rows.emplace_back("device", describe_device(f.device));
  if (!f.hosts.empty()) rows.emplace_back("hosts", f.hosts);
  for (std::size_t i = 0; i < f.places.size(); ++i) rows.emplace_back(i == 0 ? "runs on" : "", f.places[i]);
  if (!f.metrics.empty()) rows.emplace_back("metrics", f.metrics);
  rows.emplace_back("ranks", text(f.plan.world_size, ", replicas R = ", f.plan.replicas, " (", f.plan.replicas_per_rank(), " a rank), batch norm ", config.distributed.batch_norm));
  rows.emplace_back("global batch G", text(f.plan.global_batch, ": ", f.plan.samples_per_replica(), " a replica, ", f.plan.samples_per_rank(), " a rank"));
  rows.emplace_back("training data", f.train.description());
  if (f.validation && !config.data.validation.fraction) rows.emplace_back("validation data", f.validation->description());
  if (f.validation && config.data.validation.fraction)
    rows.emplace_back("validation data", text(f.validation->size(), " of the training images (", *config.data.validation.fraction, "), chosen by the seed"));
  const std::int64_t window = config.data.shuffle_window_chunks.value_or(0);
  rows.emplace_back("reading", text(f.train.in_memory() ? "decoded into memory that the ranks of a node share" : "streamed, each chunk decoded once an epoch and node",
                                    window > 0 ? text("; shuffled in windows of ", window, " chunks") : "; all samples shuffled together"));
  rows.emplace_back("samples N", text(f.train.size(), ", ", per_epoch, " steps an epoch", f.train.size() % f.plan.global_batch ? text(" (the last ", f.train.size() % f.plan.global_batch, " of each order are dropped)") : ""));
  rows.emplace_back("steps", text(f.first_step > 0 ? text("from ", f.first_step, " to ") : "", steps, " (", digits(static_cast<double>(steps) / static_cast<double>(per_epoch)), " epochs)"));
  rows.emplace_back("model", text(config.model.name, ", latent ", config.model.latent_dim, ", ", f.parameters, " parameters, ", config.train.precision));
  rows.emplace_back("memory a rank", text(format_bytes(state_bytes), " for the model, its gradients and optimizer", data_bytes > 0 ? text(", ", format_bytes(data_bytes), " a node for the data") : ""));
  rows.emplace_back("loss", likelihood_text(f));
  add_regularizer(f, rows);
  if (const auto sigma = sigma_of(f))
    rows.emplace_back("sigma_eff", text(digits(*sigma), " (variance ", digits(*sigma * *sigma), "); the images' largest variance along a direction is ", digits(f.top_variance)));
  rows.emplace_back("optimizer", text(config.train.optimizer.name, ", learning rate ", digits(learning_rate(f.learning_rate, 0)), " first, ",
                                      digits(learning_rate(f.learning_rate, std::max<std::int64_t>(0, steps - 1))), " last (", config.train.schedule.name, ")"));
  if (!f.on_ctrl_c.empty()) rows.emplace_back("Ctrl-C", f.on_ctrl_c);
  return rows;
}

std::string collapse_warning(const StartFacts& f) {
  const auto sigma = sigma_of(f);
  if (!sigma || !must_collapse(*sigma, f.top_variance)) return "";
  return text("this run will collapse: M_N = ", digits(f.objective.kld_weight, 6), " acts like a decoder variance sigma_eff^2 = ",
              is_sum(f) ? "sigma^2 * M_N * beta = " : "M_N * beta * C*H*W / 2 = ", digits(*sigma * *sigma), ", but the images vary by no more than ", digits(f.top_variance),
              " along any direction. No latent dimension pays for itself, and every reconstruction will be the mean image. Use a smaller ",
              is_sum(f) ? "objective.sigma, a smaller objective.kld_weight or a smaller beta." : "objective.kld_weight (rule reference or fixed), a smaller beta, or a smaller batch.");
}

}  // namespace vae_dist
