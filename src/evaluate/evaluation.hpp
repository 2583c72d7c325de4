// How good a model is on a dataset, exact over any number of ranks.
//
// Samples are evaluated in blocks; block b is rank (b mod np)'s. Each block's sums are float64 and are added up in block order, so the
// result has the same bits at any number of ranks.
#pragma once

#include <cstdint>

#include "comm/communicator.hpp"
#include "evaluate/model_input.hpp"
#include "model/vae_loss.hpp"
#include "model/vanilla_vae.hpp"

namespace vae_dist {

struct EvaluationOptions {
  InputFormat format;
  LossOptions loss;
  double kld_factor = 0;             ///< M_N * beta of training
  std::int64_t block = 256;          ///< samples evaluated at once
  std::int64_t samples = 0;          ///< the first so many of the dataset
};

/// In evaluation mode (running batch-norm statistics), with the posterior's mean as latent, so without noise.
struct Evaluation {
  std::int64_t samples = 0;
  double loss = 0;            ///< reconstruction + M_N * beta * KL
  double reconstruction = 0;  ///< as the loss reduces it
  double kld_nats = 0;        ///< per sample
  double mse = 0;             ///< per value, on [0, 1] whatever the model's range
};

/// A collective on a host communicator. Leaves the model in the mode it was in.
Evaluation evaluate(VanillaVae& model, const ImageDataset& dataset, const EvaluationOptions& options, Communicator& host);

}  // namespace vae_dist
