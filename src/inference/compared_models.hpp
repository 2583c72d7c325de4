// Several trained models on the same images: one table, and one picture.
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
  std::vector<std::string> places;  ///< checkpoints or runs
  DataChoice data;                  ///< the run's own data: the first run's
  std::string rows;
  std::optional<std::int64_t> importance_samples;  ///< empty: as each run's configuration says
  std::int64_t coverage_samples = 0;
  c10::Device device = c10::kCPU;
};

/// Evaluates each model on the same images, by all ranks together. Each is given them as its run
/// prepares them (range, crop, resize, binarize). Throws AgreedError. A collective.
std::vector<ComparedModel> compare_models(const ComparisonOptions& options,
                                          const comm::MpiWorld& world,
                                          comm::HostCommunicator& host);

/// A row a model, under a name that is no other's; columns that no model has are left out. Lines
/// below say what of it is not to be compared, and why.
std::string comparison_table(const std::vector<ComparedModel>& models);

/// An object a model, as evaluation_json writes it, with `parameters`.
nlohmann::ordered_json comparison_json(const std::vector<ComparedModel>& models);

struct ComparedPictures {
  at::Tensor inputs;  ///< [count, C, H, W] in [0, 1]; undefined where no model has an encoder
  std::vector<report::ComparedImages> models;
};

/// The same inputs (the first `count` that were evaluated) reconstructed by each model, and as many
/// samples of each with the same draws.
ComparedPictures compare_pictures(const ComparisonOptions& options,
                                  const std::vector<ComparedModel>& models, std::int64_t count,
                                  std::uint64_t seed);

}  // namespace vae_dist::inference
