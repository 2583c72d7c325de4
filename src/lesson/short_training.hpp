// A few hundred steps of training on one rank, in memory: no run directory, no checkpoints.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "evaluate/evaluation.hpp"
#include "step/learner.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist {

class ShortTraining {
 public:
  /// `config`: model, objective and optimizer; its global batch is one replica. `data` lies in memory. Nothing is trained yet.
  ShortTraining(const Config& config, const SampleDataset& data, const DeviceChoice& device);

  void train(std::int64_t steps);

  /// A point of the training curve: mean over some steps.
  struct Point {
    double step = 0, reconstruction = 0, kld_nats = 0;
    std::vector<double> others;  ///< as the objective names them
  };
  const std::vector<Point>& curve() const { return curve_; }

  LatentModel& model() { return learner_.model(); }
  const Objective& objective() const { return learner_.objective(); }
  const ResolvedObjective& resolved() const { return objective_; }

  /// On the first `samples` of `data`, with the training's M_N and beta.
  Evaluation evaluate_on(const SampleDataset& data, std::int64_t samples);

 private:
  Config config_;
  const SampleDataset& data_;
  DeviceChoice device_;
  ResolvedObjective objective_;
  std::unique_ptr<Communicator> self_;
  CollectiveLog log_;
  Learner learner_;
  std::int64_t steps_done_ = 0;
  std::vector<Point> curve_;
};

}  // namespace vae_dist
