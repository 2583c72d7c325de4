// The model that the tests of this folder train, so small that a step takes a millisecond, and its
// batches.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <memory>

#include "comm/thread_communicator.hpp"
#include "config/words.hpp"
#include "step/learner.hpp"

namespace vae_dist::step {

inline const arrays::SampleShape kSmallShape = {1, {9, 12}};
inline constexpr std::int64_t kSmallBatch = 16;
inline constexpr double kSmallKldFactor = 0.01, kSmallCapacity = 0.37, kSmallLearningRate = 0.005;

inline config::Config small_config(const std::string& precision = "fp64") {
  config::Config config;
  config.model.hidden_dims = {4, 6};
  config.model.latent_dim = 3;
  config.train.precision = config::from_word<config::Precision>(precision);
  config.train.global_batch = kSmallBatch;
  return config;
}

/// Returns the global batch of a step. It is drawn in single precision, so that both precisions use
/// the same values.
inline at::Tensor images_of_step(std::int64_t step, at::ScalarType type = at::kDouble) {
  return at::rand({kSmallBatch, 1, 9, 12},
                  at::make_generator<at::CPUGeneratorImpl>(1000 + static_cast<std::uint64_t>(step)),
                  at::kFloat)
      .to(type);
}

inline at::Tensor noise_of_step(std::int64_t step, at::ScalarType type = at::kDouble,
                                std::int64_t values = 3) {
  return at::randn(
             {kSmallBatch, values},
             at::make_generator<at::CPUGeneratorImpl>(2000 + static_cast<std::uint64_t>(step)),
             at::kFloat)
      .to(type);
}

/// A rank's learner and its part of each global batch.
class SmallRank {
 public:
  /// training_samples: N; 0: the batch is all there is.
  SmallRank(const config::Config& config, std::int64_t replicas, comm::CpuCommunicator& comm,
            std::int64_t training_samples = 0)
      : type_(config.train.precision == config::Precision::fp64 ? at::kDouble : at::kFloat),
        plan_(
            input::make_replica_plan(kSmallBatch, replicas, comm.size(), comm.rank(), kSmallBatch)),
        learner_({config, kSmallShape, plan_, {}, 0, training_samples}, comm, log_) {
    at::set_num_threads(1);  // applies to this thread; ranks are threads here
  }

  Learner& learner() { return learner_; }
  model::LatentModel& model() { return learner_.model(); }
  at::ScalarType type() const { return type_; }

  /// Returns this rank's part of a global batch.
  at::Tensor mine(const at::Tensor& global) const {
    return global.narrow(0, plan_.first_sample(), plan_.samples_per_rank());
  }

  /// Trains on the global batch of step `number`. Returns loss, reconstruction, KL, gradient norm,
  /// skipped, the objective's extra terms.
  std::vector<double> step(std::int64_t number) {
    return step(images_of_step(number, type_), number);
  }

  /// Same, with the given images and numbers.
  std::vector<double> step(const at::Tensor& global_images, std::int64_t number,
                           double learning_rate = kSmallLearningRate,
                           const objective::StepWeights& weights = {kSmallKldFactor,
                                                                    kSmallCapacity}) {
    const at::Tensor noise = noise_of_step(
        number, type_, learner_.objective().noise_per_sample(plan_.samples_per_replica()));
    return learner_.step({mine(global_images), mine(noise)}, learning_rate, weights).get();
  }

  /// Returns copies of all gradients, in double precision.
  std::vector<at::Tensor> gradients() {
    std::vector<at::Tensor> out;
    for (const at::Tensor& parameter : learner_.model().parameters())
      if (parameter.requires_grad())
        out.push_back(parameter.grad().to(at::kDouble, /*non_blocking=*/false, /*copy=*/true));
    return out;
  }

  /// Returns copies of everything that the next step depends on.
  std::vector<at::Tensor> state() const {
    std::vector<at::Tensor> out;
    for (const at::Tensor& tensor : learner_.state()) out.push_back(tensor.detach().clone());
    return out;
  }

 private:
  at::ScalarType type_;
  input::ReplicaPlan plan_;
  comm::CollectiveLog log_;
  Learner learner_;
};

/// Whether the tensors are equal bit for bit.
inline bool same_tensors(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!a[i].equal(b[i])) return false;
  return true;
}

}  // namespace vae_dist::step
