// Opens the datasets of a run, which the configuration names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/mpi_world.hpp"
#include "conditions/conditions.hpp"
#include "config/config.hpp"
#include "data/model_input.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::input {

/// Opens and checks a source of the configuration without loading its samples into memory. `key`
/// names the source in messages: "data.train". Throws BadInput.
data::SampleDataset open_source(const config::Config& config, const config::SourceConfig& source,
                                const std::string& key);

/// What a run finds out about its training rows, and keeps in its checkpoints.
struct FoundInTraining {
  std::string normalisation;  ///< data::Normalisation::text(); empty: by the scale
  std::string conditions;     ///< conditions::Conditions::text(); empty: there are none
};

struct RunData {
  data::SampleDataset train;
  std::optional<data::SampleDataset> validation;
  std::unique_ptr<comm::CpuCommunicator> node;  ///< the ranks that share memory with this one
  conditions::Conditions conditions;            ///< of data.train.condition
  std::string order_reason;  ///< why data.order is what it is, if that was decided at this start
};

/// Opens the data of a run on all ranks. Depending on `data.cache` and the free memory, decodes the
/// data into memory that the ranks of a node share, keeps each rank's own sections in its memory,
/// or streams; all nodes do the same. Resolves `data.order`, `data.sections` and
/// `data.shuffle_window_chunks` where they are not set yet (at a run's first start), by the rules
/// that their keys state. Unless data.normalize is scale, gives both datasets the normalisation
/// `kept` or, if it is empty, that of the training rows; so with the conditions. Throws
/// AgreedError. A collective.
RunData open_run_data(config::Config& config, const comm::MpiWorld& world,
                      comm::CpuCommunicator& all_ranks, const FoundInTraining& kept = {});

/// Returns the normalisation by the statistics of these samples (data::Normalisation::text()), as
/// data.normalize and data.transform want it; empty if data.normalize is scale. Throws AgreedError.
/// A collective.
std::string find_normalisation(const config::Config& config, const data::SampleDataset& training,
                               comm::CpuCommunicator& all_ranks, std::int64_t threads);

/// Gives the dataset the normalisation that a run has kept; none if `kept` is empty. Throws
/// BadInput.
void use_normalisation(data::SampleDataset& dataset, const std::string& kept);

/// Returns the number of this rank's threads that read and decode (and, for a GPU, make batches):
/// `data.reader_threads`, or this rank's share of the cores, but at most 4.
std::int64_t reader_threads(const config::DataConfig& data, int ranks_of_node);

/// Returns the axes along which samples are mirrored (data::BatchPlan::flips).
std::string flips(const config::DataConfig& data);

/// Returns the format in which the images of `dataset` are passed to the model.
data::InputFormat input_format(const config::Config& config, const data::SampleDataset& dataset,
                               c10::Device device);

}  // namespace vae_dist::input
