// The values of a whole batch that is given by its codes, as a step computes them: through the pass
// over any number of ranks, which are threads, and any number of batches.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "comm/collective_log.hpp"
#include "comm/thread_communicator.hpp"
#include "config/load_config.hpp"
#include "parallel/bucket_exchange.hpp"
#include "step/make_model.hpp"
#include "step/resolved_objective.hpp"
#include "step/whole_batch_pass.hpp"

namespace vae_dist::step {

/// Of samples of 12 values; the codes do not depend on them.
struct GivenBatch {
  model::Posterior posterior;
  at::Tensor z, prior;   ///< [G, L]
  at::Tensor x, output;  ///< [G, 1, 3, 4]; output: what a decoder made of z

  std::int64_t size() const { return z.size(0); }
  std::int64_t latent() const { return z.size(1); }
};

class GivenObjective {
 public:
  using Named = std::map<std::string, double>;

  /// objective: overrides of the configuration.
  GivenObjective(std::int64_t latent, std::int64_t training_samples,
                 const std::vector<std::string>& objective)
      : config_(config_of(latent, objective)),
        model_(make_model(config_, kShape)),
        objective_(resolve_objective(config_, training_samples, kShape).options, *model_) {}

  /// Returns the regularisers by their names, and `loss`: with the penalty of the KL, and the
  /// reconstruction, if they are no sums over samples. The latter stands alone under its name too.
  Named values(const GivenBatch& batch, int ranks, std::int64_t batches) const {
    std::vector<Named> of_ranks(static_cast<std::size_t>(ranks));
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      at::set_num_threads(1);
      comm::CollectiveLog log;
      const auto exchange =
          ranks == 1 ? nullptr
                     : parallel::make_cpu_exchange(comm, comm::SumOrder::fast, {log, "objective"});
      WholeBatchPlan plan;
      plan.global_batch = batch.size();
      plan.global_batches = batches;
      plan.batches = plan.replicas = batches / ranks;
      plan.first_sample = comm.rank() * plan.samples_per_rank();
      WholeBatchPass pass(objective_, model_->likelihood(), plan, exchange.get());
      pass.begin();
      for (std::int64_t i = 0; i < plan.batches; ++i) {
        const std::int64_t count = plan.samples_per_batch(), first = plan.first_sample + i * count;
        const auto part = [&](const at::Tensor& rows) { return rows.narrow(0, first, count); };
        const objective::Forward forward{{part(batch.posterior.mu), part(batch.posterior.log_var)},
                                         part(batch.z),
                                         part(batch.prior),
                                         {part(batch.output), {}}};
        pass.write(objective_.share(forward, model::Sample(part(batch.x))));
        pass.collected();
      }
      objective::StepWeights weights;
      weights.kld_factor = 1;
      pass.agree(weights);
      const objective::WholeBatch& whole = pass.of_batch();
      Named out = named(whole.regularisers);
      if (whole.reconstruction.defined())
        out["reconstruction"] = whole.reconstruction.item<double>();
      out["loss"] = whole.loss.item<double>();
      of_ranks[static_cast<std::size_t>(comm.rank())] = out;
    });
    for (const Named& other : of_ranks)
      if (other != of_ranks.front())
        throw std::logic_error("ranks have different values of the same batch");
    return of_ranks.front();
  }

  /// Returns the regularisers as each of `parts` ranks computes them of its own samples, averaged:
  /// plain data parallelism.
  Named mean_of_parts(const GivenBatch& batch, std::int64_t parts) const {
    return named(objective_.regulariser_values({batch.posterior, batch.z, batch.prior}, parts));
  }

 private:
  static inline const arrays::SampleShape kShape = {1, {3, 4}};

  static config::Config config_of(std::int64_t latent, const std::vector<std::string>& objective) {
    std::vector<std::string> overrides = {"model.name=mlp_vae", "model.hidden_dims=[4]",
                                          "model.latent_dim=" + std::to_string(latent),
                                          "train.precision=fp64"};
    overrides.insert(overrides.end(), objective.begin(), objective.end());
    return config::parse_config("run: {name: given}\ndata: {train: {file: none.h5}}", "given.yaml",
                                overrides);
  }

  Named named(const std::vector<at::Tensor>& regularisers) const {
    Named out;
    for (std::size_t i = 0; i < regularisers.size(); ++i) {
      const auto& terms = objective_.options().regularisers[i].terms;
      for (std::size_t j = 0; j < terms.size(); ++j)
        out[terms[j].name] = regularisers[i][static_cast<std::int64_t>(j)].item<double>();
    }
    return out;
  }

  config::Config config_;
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
};

}  // namespace vae_dist::step
