// A few hundred steps of training on one rank, in memory: no run directory, no checkpoints.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "evaluate/evaluation.hpp"
#include "step/learner.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::lesson {

class ShortTraining {
 public:
  /// `config`: model, objective and optimizer; its global batch is one replica. `data` lies in memory. Nothing is trained yet.
  ShortTraining(const config::Config& config, const data::SampleDataset& data, const device::DeviceChoice& device);

  void train(std::int64_t steps);

  /// A point of the training curve: mean over some steps.
  struct Point {
    double step = 0, reconstruction = 0, kld_nats = 0;
    std::vector<double> others;  ///< as the objective names them
  };
  const std::vector<Point>& curve() const { return curve_; }

  model::LatentModel& model() { return learner_.model(); }
  const objective::Objective& objective() const { return learner_.objective(); }
  const step::ResolvedObjective& resolved() const { return objective_; }

  /// On the first `samples` of `data`, with the training's M_N and beta.
  evaluate::Evaluation evaluate_on(const data::SampleDataset& data, std::int64_t samples);

 private:
  config::Config config_;
  const data::SampleDataset& data_;
  device::DeviceChoice device_;
  step::ResolvedObjective objective_;
  std::unique_ptr<comm::HostCommunicator> self_;
  comm::CollectiveLog log_;
  step::Learner learner_;
  std::int64_t steps_done_ = 0;
  std::vector<Point> curve_;
};

}  // namespace vae_dist::lesson
