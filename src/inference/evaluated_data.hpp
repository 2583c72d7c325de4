// The data on which a trained model is evaluated, and the objective of its run.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "comm/mpi_world.hpp"
#include "evaluate/encoded_rows.hpp"
#include "evaluate/evaluation.hpp"
#include "evaluate/evaluation_report.hpp"
#include "inference/trained_model.hpp"
#include "input/open_data.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::inference {

/// Loads the same model on all ranks, even if the run is still in progress and writes another
/// checkpoint meanwhile. Throws AgreedError. A collective.
TrainedModel load_shared_model(const std::string& location, comm::CpuCommunicator& all_ranks);

/// The user's choice of images.
struct DataChoice {
  std::string file;   ///< HDF5 file; empty: the run's own data
  std::string split;  ///< of the run's own data: "train" or "validation"; empty: validation if the
                      ///< run has it
};

/// Opens the chosen images, prepared (cropped, resized, binarized) as the run's configuration says.
/// Keeps nothing in memory. Throws BadInput if there are no such data, or if the images do not fit
/// the model.
data::SampleDataset open_chosen_data(const TrainedModel& trained, const DataChoice& choice);

/// Opens the same images, decoded once into memory that the ranks of a node share, if they fit.
/// Throws AgreedError. A collective.
struct SharedData {
  data::SampleDataset images;
  std::unique_ptr<comm::CpuCommunicator> node;
};
SharedData open_shared_data(const TrainedModel& trained, const DataChoice& choice,
                            const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks);

/// Returns the datasets that the channels of a model's samples come from: as its normalisation
/// keeps them or, without one, as the run's own training data say; empty if these are no longer
/// there.
std::vector<data::StoredArray> arrays_of(const TrainedModel& trained);

/// Parses "A:B", samples A to B - 1 of `size`; empty: all. Throws BadInput for anything else, or
/// for samples that do not exist.
arrays::RowRange chosen_rows(const std::string& rows, std::int64_t size);

/// Returns the objective with M_N, beta and the rest as of the checkpoint's last step. Throws
/// BadInput if M_N needs the number of training samples and it cannot be determined.
step::ResolvedObjective objective_of(const TrainedModel& trained);

evaluate::EvaluationSubject evaluation_subject(const TrainedModel& trained,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               arrays::RowRange samples);

/// Throws BadInput for a decoder-only model, saying what it cannot do (`purpose`).
void require_encoder(const TrainedModel& trained, const std::string& purpose);

/// Returns the options for evaluate() after `steps` steps, during training or later from a
/// checkpoint: the M_N and beta of the last step and of the schedules' ends, and the run's block
/// size (for large samples a smaller one, which depends on their size alone), importance samples
/// and seed.
evaluate::EvaluationOptions evaluation_options(const config::Config& config,
                                               const step::ResolvedObjective& objective,
                                               const data::SampleDataset& images,
                                               arrays::RowRange samples, std::int64_t steps,
                                               c10::Device device);

}  // namespace vae_dist::inference
