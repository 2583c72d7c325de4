// A few hundred steps of training on one rank, in memory: no run directory, no checkpoints.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "evaluate/evaluation.hpp"
#include "step/step_runner.hpp"

namespace vae_dist::lesson {

class ShortTraining {
 public:
  /// `config` gives the model, the objective and the optimizer; its global batch is one replica,
  /// and its data.shuffle_window_chunks is set. `data` must be in memory. Trains nothing yet.
  ShortTraining(const config::Config& config, const data::SampleDataset& data,
                const device::DeviceChoice& device);

  void train(std::int64_t steps);

  /// A point of the training curve: the mean over several steps.
  struct Point {
    double step = 0, reconstruction = 0, kld_nats = 0;
    std::vector<double> extra_terms;  ///< in the order of the objective
  };
  const std::vector<Point>& curve() const { return curve_; }

  model::LatentModel& model() { return learner_.model(); }
  const objective::Objective& objective() const { return learner_.objective(); }
  const step::ResolvedObjective& resolved() const { return objective_; }

  /// Evaluates the model on the first `samples` of `data`, with the training's M_N and beta.
  evaluate::Evaluation evaluate_on(const data::SampleDataset& data, std::int64_t samples);

 private:
  void add_to_curve(const step::DoneStep& done);

  config::Config config_;
  const data::SampleDataset& data_;
  device::DeviceChoice device_;
  step::ResolvedObjective objective_;
  input::ReplicaPlan plan_;
  step::LearningRatePlan learning_rate_;
  std::unique_ptr<comm::CpuCommunicator> self_;
  comm::CollectiveLog log_;
  step::Learner learner_;
  step::StepRunner runner_;
  std::vector<Point> curve_;
  Point next_point_;  // over the steps done so far
};

}  // namespace vae_dist::lesson
