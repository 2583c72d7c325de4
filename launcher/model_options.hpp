// The options that verbs about a trained model have in common.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "comm/mpi_world.hpp"
#include "train/trained/evaluated_data.hpp"

namespace vae_dist {

void add_checkpoint_option(CLI::App& verb, std::string& checkpoint);

/// --data and --split.
void add_data_options(CLI::App& verb, DataChoice& data);

/// Where and with how much a rank computes, for the verbs that share their work over ranks.
struct ComputeOptions {
  std::string device = "auto";
  int threads = 1;
};

/// --device and --threads.
void add_compute_options(CLI::App& verb, ComputeOptions& compute);

/// Makes the choice this process's, deterministic arithmetic included. Ranks of a node with fewer GPUs share them.
c10::Device use_device(const ComputeOptions& compute, const MpiWorld& world);

}  // namespace vae_dist
