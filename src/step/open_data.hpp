// The datasets of a run, as the configuration names them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "data/model_input.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::step {

/// A source of the configuration: found and checked, nothing kept in memory. `key` names it in
/// messages: "data.train". Throws BadInput.
data::SampleDataset open_source(const config::Config& config, const config::SourceConfig& source,
                                const std::string& key);

struct RunData {
  data::SampleDataset train;
  std::optional<data::SampleDataset> validation;
  std::unique_ptr<comm::HostCommunicator> node;  ///< the ranks that share memory with this one
};

/// Opens what a run reads, on all ranks. By `data.cache`, what fits is decoded into memory that the
/// ranks of a node share; all nodes do the same. Where `data.shuffle_window_chunks` is still open
/// (at a run's first start), it becomes what belongs to that: 0 in memory, else a window of about
/// 64 MiB. Throws AgreedError. A collective.
RunData open_run_data(config::Config& config, const comm::MpiWorld& world,
                      comm::HostCommunicator& host);

/// Threads of this rank that read and decode (and, for a GPU, make batches): `data.reader_threads`,
/// or this rank's share of the cores, 4 at most.
std::int64_t reader_threads(const config::DataConfig& data, int ranks_of_node);

/// How images of `dataset` reach the model.
data::InputFormat input_format(const config::Config& config, const data::SampleDataset& dataset,
                               c10::Device device);

}  // namespace vae_dist::step
