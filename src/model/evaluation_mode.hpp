// Keeps a model in evaluation mode for the lifetime of an object.
#pragma once

#include "model/latent_model.hpp"

namespace vae_dist::model {

class EvaluationMode {
 public:
  explicit EvaluationMode(LatentModel& model) : model_(model), was_training_(model.is_training()) {
    model_.eval();
  }
  ~EvaluationMode() { model_.train(was_training_); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  LatentModel& model_;
  bool was_training_;
};

}  // namespace vae_dist::model
