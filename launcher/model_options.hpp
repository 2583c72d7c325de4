// Options shared by the verbs that use a trained model.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"
#include "inference/evaluated_data.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {

/// The checkpoint, as chosen by the user.
struct ModelChoice {
  std::string location;
  bool best = false;
};

/// Adds --checkpoint and --best.
void add_checkpoint_option(CLI::App& verb, VerbContext& context, ModelChoice& choice);

/// Loads the chosen model. Throws like load_trained_model().
inference::TrainedModel load_chosen_model(const ModelChoice& choice);

/// Loads the chosen model on all ranks. Throws AgreedError. A collective.
inference::TrainedModel load_chosen_model(const ModelChoice& choice,
                                          comm::CpuCommunicator& all_ranks);

/// Adds --data and --split.
void add_data_options(CLI::App& verb, VerbContext& context, inference::DataChoice& data);

/// Adds --condition: what a conditional model is told (data.train.condition), such as
/// "incident_energies=40,labels=3". `otherwise` says what holds without it.
void add_condition_option(CLI::App& verb, std::string& condition, const std::string& otherwise);

/// Returns the written condition, [1, Y]; undefined if none is written. Throws BadInput, also if
/// the model is not conditional.
at::Tensor written_condition(const std::string& condition, const inference::TrainedModel& trained);

/// The device and the number of threads of a rank.
struct ComputeOptions {
  std::string device = "auto";
  int threads = 1;  ///< 0: one per core
};

/// Adds only --device, for verbs that run on one rank, with one thread per core.
void add_device_option(CLI::App& verb, ComputeOptions& compute);

/// Adds --device and --threads.
void add_compute_options(CLI::App& verb, ComputeOptions& compute);

/// Applies the choice to this process, with deterministic arithmetic. Ranks share the GPUs of a
/// node that has fewer GPUs than ranks.
c10::Device use_device(const ComputeOptions& compute, const comm::MpiWorld& world);

}  // namespace vae_dist::launcher
