// The data that a trained model is looked at with, and how the objective of its run judges it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "comm/mpi_world.hpp"
#include "evaluate/encoded_rows.hpp"
#include "evaluate/evaluation.hpp"
#include "evaluate/evaluation_report.hpp"
#include "inference/trained_model.hpp"
#include "step/open_data.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::inference {

/// The same model on all ranks, also where a run that is still going writes another checkpoint
/// meanwhile. Throws AgreedError. A collective.
TrainedModel load_shared_model(const std::string& place, comm::HostCommunicator& host);

/// Which images, as a user says it.
struct DataChoice {
  std::string file;   ///< HDF5 file; empty: the run's own data
  std::string split;  ///< of the run's own data: "train" or "validation"; empty: validation where
                      ///< the run has it
};

/// The images that are meant, prepared (cropped, resized, binarized) as the run's configuration
/// says; nothing is kept in memory. Throws BadInput: no such data, or images that the model is not
/// for.
data::SampleDataset open_chosen_data(const TrainedModel& trained, const DataChoice& choice);

/// The same, decoded once into memory that the ranks of a node share, where it fits. Throws
/// AgreedError. A collective.
struct SharedData {
  data::SampleDataset images;
  std::unique_ptr<comm::HostCommunicator> node;
};
SharedData open_shared_data(const TrainedModel& trained, const DataChoice& choice,
                            const comm::MpiWorld& world, comm::HostCommunicator& host);

/// "A:B": samples A to B - 1 of `size`; empty: all. Throws BadInput for anything else, or samples
/// that are not there.
data::RowRange chosen_rows(const std::string& rows, std::int64_t size);

/// M_N, beta and the rest as of the checkpoint's last step. Throws BadInput where M_N needs the
/// number of training samples, and they can't be found.
step::ResolvedObjective objective_of(const TrainedModel& trained);

evaluate::EvaluationSubject evaluation_subject(const TrainedModel& trained,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               data::RowRange samples);

/// Throws BadInput, with what the model can't do, for a decoder alone.
void require_encoder(const TrainedModel& trained, const std::string& purpose);

// How a run's model is evaluated: while it trains, and by whoever looks at its checkpoints later.

/// For evaluate(), after `steps` steps: with the M_N and beta of the last one, the run's block
/// size, importance samples and seed.
evaluate::EvaluationOptions evaluation_options(const config::Config& config,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               data::RowRange samples, std::int64_t steps,
                                               c10::Device device);

}  // namespace vae_dist::inference
