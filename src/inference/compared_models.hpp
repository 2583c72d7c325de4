// Compares several trained models on the same images, in one table and one picture.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "inference/evaluated_data.hpp"
#include "report/picture_files.hpp"

namespace vae_dist::inference {

struct ComparedModel {
  TrainedModel trained;
  evaluate::EvaluationSubject subject;
  evaluate::FullEvaluation result;
  std::int64_t parameters = 0;
};

struct ComparisonOptions {
  std::vector<std::string> models;  ///< checkpoints or runs
  DataChoice data;                  ///< without a file, the first run's own data
  std::string rows;
  std::optional<std::int64_t> importance_samples;  ///< empty: as in each run's configuration
  bool channel_figures = false;  ///< whether each gets FullEvaluation::channel_figures
  std::int64_t coverage_samples = 0;
  c10::Device device = c10::kCPU;
};

/// Evaluates each model on the same images, on all ranks together. Each model gets the images as
/// its run prepares them (range, crop, resize, binarize). Throws AgreedError. A collective.
std::vector<ComparedModel> compare_models(const ComparisonOptions& options,
                                          const comm::MpiWorld& world,
                                          comm::CpuCommunicator& all_ranks);

/// Returns one row per model, under a unique name. Columns that no model has are left out. Lines
/// below the table say which figures are not comparable, and why.
std::string comparison_table(const std::vector<ComparedModel>& models);

/// Returns one object per model, as evaluation_json writes it, with `parameters`.
nlohmann::ordered_json comparison_json(const std::vector<ComparedModel>& models);

struct ComparedPictures {
  at::Tensor inputs;  ///< [count, C, space...] in [0, 1], or, if the models' data are normalised,
                      ///< in the file's units; undefined if no model has an encoder
  std::vector<report::ComparedImages> models;
  report::Showing showing;
};

/// Reconstructs the same inputs (the first `count` that were evaluated) with each model, and
/// generates as many samples of each model from the same draws.
ComparedPictures compare_pictures(const ComparisonOptions& options,
                                  const std::vector<ComparedModel>& models, std::int64_t count,
                                  std::uint64_t seed);

}  // namespace vae_dist::inference
