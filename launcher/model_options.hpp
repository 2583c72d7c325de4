// The options that verbs about a trained model have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"
#include "inference/evaluated_data.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

/// Which checkpoint, as a user says it.
struct ModelChoice {
  std::string place;
  bool best = false;
};

/// --checkpoint and --best.
void add_checkpoint_option(CLI::App& verb, VerbContext& context, ModelChoice& choice);

/// Throws what load_trained_model does.
inference::TrainedModel load_chosen_model(const ModelChoice& choice);

/// The same on all ranks. Throws AgreedError. A collective.
inference::TrainedModel load_chosen_model(const ModelChoice& choice, comm::HostCommunicator& host);

/// --data and --split.
void add_data_options(CLI::App& verb, VerbContext& context, inference::DataChoice& data);

/// Where and with how much a rank computes.
struct ComputeOptions {
  std::string device = "auto";
  int threads = 1;  ///< 0: one a core
};

/// --device alone, for verbs that work on one rank: with a thread a core.
void add_device_option(CLI::App& verb, ComputeOptions& compute);

/// --device and --threads.
void add_compute_options(CLI::App& verb, ComputeOptions& compute);

/// Makes the choice this process's, deterministic arithmetic included. Ranks of a node with fewer
/// GPUs share them.
c10::Device use_device(const ComputeOptions& compute, const comm::MpiWorld& world);

}  // namespace vae_dist::launcher
