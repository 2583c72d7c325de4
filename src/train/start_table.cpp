#include "train/start_table.hpp"

#include <algorithm>
#include <cmath>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "config/key_table.hpp"
#include "config/words.hpp"
#include "evaluate/collapse.hpp"
#include "input/training_batches.hpp"
#include "run/choose_device.hpp"
#include "run/run_directory.hpp"
#include "step/out_of_memory.hpp"
#include "step/schedules.hpp"

namespace vae_dist::train {
namespace {

bool is_sum(const StartFacts& f) {
  return f.objective.options.reduction == objective::Reduction::sum;
}

// Returns the effective standard deviation of the decoder, relative to the KL weight at the end of
// its schedule; nothing if it is learned or there is no KL.
std::optional<double> sigma_of(const StartFacts& f) {
  const std::optional<double> sigma = f.objective.likelihood.fixed_sigma;
  const objective::ObjectiveOptions& options = f.objective.options;
  if (!sigma || !f.objective.has_kld || options.capacity_gamma > 0 || !options.script.empty())
    return std::nullopt;
  const double beta = step::largest_beta(f.config.objective.beta);
  if (is_sum(f)) return objective::effective_sigma_of_sum(f.objective.kld_weight, beta, *sigma);
  return objective::effective_sigma(f.objective.kld_weight, beta, f.train.shape().values());
}

// Returns the relevant keys of an item, such as ", variance learned". A choice with its default
// value is left out.
template <typename Described>
std::string settings_text(const base::Chosen<Described>& chosen) {
  std::any settings = chosen.settings(), defaults = chosen.item().own.defaults;
  const std::vector<base::Key> keys = base::own_keys_of(chosen.item(), settings),
                               untouched = base::own_keys_of(chosen.item(), defaults);
  std::string out;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string value = config::value_text(keys[i]);
    if (base::counts(keys[i]) && !(keys[i].choice && value == config::value_text(untouched[i])))
      out += base::text(", ", keys[i].name, " ", value);
  }
  return out;
}

std::string likelihood_text(const StartFacts& f) {
  const config::ObjectiveConfig& objective = f.config.objective;
  const bool seeds_own = objective::is_squared_error(f.objective.options, f.objective.likelihood);
  return base::text(objective.likelihood.name, seeds_own ? "" : settings_text(objective.likelihood),
                    ", reduction ", config::word(objective.reduction),
                    seeds_own   ? " (squared error per value)"
                    : is_sum(f) ? " (nats per sample)"
                                : " (nats per value)");
}

std::string beta_text(const config::BetaConfig& beta) {
  switch (beta.schedule) {
    case config::BetaSchedule::linear:
      return base::text("beta ", beta.from, " -> ", beta.to, " over ", *beta.steps, " steps");
    case config::BetaSchedule::cyclical:
      return base::text("beta ", beta.from, " -> ", beta.to, " in the first ", beta.ratio,
                        " of every ", *beta.period_steps, " steps");
    case config::BetaSchedule::constant:
      break;
  }
  return base::text("beta ", beta.value);
}

// Adds a row for each regulariser: its factors in the loss, and whose samples it sees.
void add_regularisers(const StartFacts& f, base::TableRows& rows) {
  const objective::ObjectiveOptions& options = f.objective.options;
  for (const objective::Regulariser& each : options.regularisers) {
    std::string factors;
    for (const objective::RegulariserTerm& term : each.terms)
      if (term.weight != 0)
        factors += base::text(factors.empty() ? "" : " + ", base::digits(term.weight, 6), " * ",
                              term.name);
    rows.emplace_back(
        "regulariser",
        base::text(
            factors.empty() ? "0 * " + each.terms.front().name : factors,
            each.ramp_steps > 0 ? base::text(", from 0 over ", each.ramp_steps, " steps") : "",
            each.is_mean_over_samples() ? ""
            : options.whole_batch       ? ", of the global batch"
                                        : ", of each replica"));
  }
}

std::string latent_of_points(const config::CodesConfig& codes) {
  if (codes.kind != config::CodesKind::vector_quantized) return "a point: no KL, no M_N";
  return base::text("one of ", codes.size, " codes for each vector",
                    codes.groups > 1 ? base::text(", ", codes.groups, " vectors a position") : "",
                    "; commitment ", codes.commitment, ", no KL");
}

// Adds rows for the terms that the loss weighs against the reconstruction.
void add_regularizer(const StartFacts& f, base::TableRows& rows) {
  const objective::ObjectiveOptions& options = f.objective.options;
  add_regularisers(f, rows);
  if (config::latent_kind(f.config.model) == base::LatentKind::point)
    rows.emplace_back("latent", latent_of_points(f.config.model.codes));
  if (config::latent_kind(f.config.model) == base::LatentKind::none)
    rows.emplace_back("latent",
                      base::text("no encoder: marginal likelihood by ", options.prior_samples,
                                 " draws from the prior per replica and step"));
  if (!f.objective.has_kld) return;
  if (options.capacity_gamma > 0) {
    rows.emplace_back("capacity", base::text(options.capacity_gamma, " * |KL - C|, C 0 -> ",
                                             *f.objective.capacity.max_nats, " nats over ",
                                             *f.objective.capacity.steps, " steps"));
    return;
  }
  rows.emplace_back("M_N", base::text(base::digits(f.objective.kld_weight, 6), " by ",
                                      f.objective.rule, "; ", beta_text(f.config.objective.beta)));
  if (options.free_bits > 0)
    rows.emplace_back("free bits", base::text(options.free_bits, " nats per latent dimension"));
  if (options.importance_samples > 1)
    rows.emplace_back("importance samples",
                      base::text(options.importance_samples, " per training sample"));
}

// The share of the images that the ranks of a node train with.
double share_of_node(const StartFacts& f) {
  return input::order_plan(f.config, f.plan).sections > 0
             ? static_cast<double>(f.ranks_of_node) / static_cast<double>(f.plan.world_size)
             : 1;
}

double decoded_bytes(const StartFacts& f) {
  return static_cast<double>(f.train.size()) * static_cast<double>(f.train.rows().image_bytes());
}

// Where the images come from during training, and what an epoch reads from the files.
std::string reading_text(const StartFacts& f) {
  if (f.train.in_memory()) return "decoded into memory that the ranks of a node share";
  if (f.train.sections())
    return base::text("decoded once into the memory of the rank that trains with it: ",
                      base::format_bytes(share_of_node(f) * decoded_bytes(f)), " a node");
  const double used =
                   static_cast<double>(f.train.size()) / static_cast<double>(f.train.rows().rows()),
               stored =
                   share_of_node(f) * used * static_cast<double>(f.train.rows().stored_bytes());
  return base::text(input::order_plan(f.config, f.plan).sections > 0
                        ? "streamed: each rank decodes the sections of its own replicas; an epoch "
                          "reads "
                        : "streamed, each chunk decoded once per epoch and node; an epoch reads ",
                    base::format_bytes(stored), " a node");
}

std::string order_text(const StartFacts& f) {
  const data::OrderPlan order = input::order_plan(f.config, f.plan);
  const std::string window = order.window_chunks > 0 ? base::text("shuffled in windows of ",
                                                                  order.window_chunks, " chunks")
                                                     : "all shuffled together";
  return base::text(
      order.sections == 0 ? "global: all images, "
      : order.fixed_sections
          ? base::text("R = ", order.sections, " fixed sections, each ")
          : base::text("R = ", order.sections, " sections dealt anew each epoch, each "),
      window, f.order_reason.empty() ? "" : " (" + f.order_reason + ")");
}

}  // namespace

base::TableRows start_table(const StartFacts& f) {
  const config::Config& config = f.config;
  const std::int64_t steps = f.learning_rate.steps_planned,
                     per_epoch = f.learning_rate.steps_per_epoch;
  const double state_bytes = step::model_bytes(config, f.parameters, f.plan.replicas_per_rank());
  const double data_bytes = f.train.in_memory()  ? static_cast<double>(f.train.memory_bytes())
                            : f.train.sections() ? share_of_node(f) * decoded_bytes(f)
                                                 : 0;

  base::TableRows rows;
  rows.emplace_back("run", run::RunDirectory(config.run).path().string());
  rows.emplace_back("device", run::describe_device(f.device));
  if (!f.hosts.empty()) rows.emplace_back("hosts", f.hosts);
  for (std::size_t i = 0; i < f.placements.size(); ++i)
    rows.emplace_back(i == 0 ? "runs on" : "", f.placements[i]);
  if (!f.metrics.empty()) rows.emplace_back("metrics", f.metrics);
  rows.emplace_back("ranks", base::text(f.plan.world_size, ", replicas R = ", f.plan.replicas, " (",
                                        f.plan.replicas_per_rank(), " per rank), batch norm ",
                                        config::word(config.distributed.batch_norm)));
  rows.emplace_back("global batch G",
                    base::text(f.plan.global_batch, ": ", f.plan.samples_per_replica(),
                               " per replica, ", f.plan.samples_per_rank(), " per rank"));
  rows.emplace_back("training data", f.train.description());
  if (f.validation && !config.data.validation.fraction)
    rows.emplace_back("validation data", f.validation->description());
  if (f.validation && config.data.validation.fraction)
    rows.emplace_back("validation data",
                      base::text(f.validation->size(), " of the training images (",
                                 *config.data.validation.fraction, "), chosen by the seed"));
  if (!f.conditions.empty()) rows.emplace_back("conditions y", f.conditions);
  rows.emplace_back("reading", reading_text(f));
  rows.emplace_back("order", order_text(f));
  rows.emplace_back("samples N",
                    base::text(f.train.size(), ", ", per_epoch, " steps per epoch",
                               f.train.size() % f.plan.global_batch
                                   ? base::text(" (the last ", f.train.size() % f.plan.global_batch,
                                                " of each epoch are dropped)")
                                   : ""));
  rows.emplace_back(
      "steps",
      base::text(f.first_step > 0 ? base::text("from ", f.first_step, " to ") : "", steps, " (",
                 base::digits(static_cast<double>(steps) / static_cast<double>(per_epoch)),
                 " epochs)"));
  rows.emplace_back(
      "model",
      base::text(
          config.model.network.name, ", latent ", config.model.latent_dim, ", ", f.parameters.all,
          " parameters, ",
          config.train.freeze.empty() ? "" : base::text(f.parameters.trained, " of them trained, "),
          precision_text(config.train.precision, f.device.device),
          rounding_text(f.ranks_rounding, f.plan.world_size),
          config.train.recompute == config::Recompute::blocks
              ? ", activations of its blocks computed again in backward"
              : ""));
  rows.emplace_back(
      "memory per rank",
      base::text(base::format_bytes(state_bytes), " for the model, its gradients and its optimizer",
                 data_bytes > 0
                     ? base::text(", ", base::format_bytes(data_bytes), " per node for the data")
                     : ""));
  if (!f.objective.options.script.empty())
    rows.emplace_back("loss", "of the script " + f.objective.options.script);
  rows.emplace_back(f.objective.options.script.empty() ? "loss" : "likelihood", likelihood_text(f));
  add_regularizer(f, rows);
  if (const auto sigma = sigma_of(f))
    rows.emplace_back("sigma_eff",
                      base::text(base::digits(*sigma), " (variance ", base::digits(*sigma * *sigma),
                                 "); the largest variance of the images along any direction is ",
                                 base::digits(f.top_variance)));
  rows.emplace_back("optimizer",
                    base::text(config.train.optimizer.rule.name, ", learning rate ",
                               base::digits(step::learning_rate(f.learning_rate, 0)), " first, ",
                               base::digits(step::learning_rate(
                                   f.learning_rate, std::max<std::int64_t>(0, steps - 1))),
                               " last (", config::word(config.train.schedule.name), ")"));
  if (!f.on_ctrl_c.empty()) rows.emplace_back("Ctrl-C", f.on_ctrl_c);
  if (!f.on_lost_rank.empty()) rows.emplace_back("lost rank", f.on_lost_rank);
  return rows;
}

std::string precision_text(config::Precision precision, c10::Device device) {
  std::string word = config::word(precision);
  if (precision != config::Precision::fp32 || !device.is_cuda()) return word;
  return word +
         " (IEEE, without tensor cores; PyTorch computes convolutions in TF32 by default, as "
         "train.precision: tf32 does here)";
}

std::string rounding_text(std::int64_t ranks_rounding, std::int64_t ranks) {
  if (ranks_rounding == 0) return "";
  return base::text(": rounded, multiplied in fp32 on ",
                    ranks == 1 ? "this CPU"
                    : ranks_rounding == ranks
                        ? "these CPUs"
                        : base::text("the CPUs of ", ranks_rounding, " of ", ranks, " ranks"));
}

std::string collapse_warning(const StartFacts& f) {
  const auto sigma = sigma_of(f);
  if (!sigma || !evaluate::must_collapse(*sigma, f.top_variance)) return "";
  return base::text(
      "this run will collapse: M_N = ", base::digits(f.objective.kld_weight, 6),
      " acts like a decoder variance sigma_eff^2 = ",
      is_sum(f) ? "sigma^2 * M_N * beta = " : "M_N * beta * C*H*W / 2 = ",
      base::digits(*sigma * *sigma), ", but the images vary by no more than ",
      base::digits(f.top_variance),
      " along any direction. No latent dimension pays for itself, and every reconstruction will be "
      "the mean image. Use a smaller ",
      is_sum(f)
          ? "objective.sigma, a smaller objective.kld_weight or a smaller beta."
          : "objective.kld_weight (rule reference or fixed), a smaller beta, or a smaller batch.");
}

}  // namespace vae_dist::train
