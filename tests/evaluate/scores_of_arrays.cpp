// Computes every score of the arrays in an HDF5 file and prints them as one JSON object, for a test
// that computes the same scores in another way:
//   scores_of_arrays FILE [SEED]
// real [N, D], fake [M, D]: density, coverage, squared_radii
// mu [N, L], classes [N, F] with attribute names: the disentanglement scores and their parts
// features [N, D], labels [N], other_features [M, D]: the linear classifier's weight, bias, and
// predictions for other_features
#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "disentanglement/beta_vae_score.hpp"
#include "disentanglement/factor_vae_score.hpp"
#include "disentanglement/linear_classifier.hpp"
#include "disentanglement/mutual_information_gap.hpp"
#include "disentanglement/sap_score.hpp"
#include "evaluate/coverage.hpp"
#include "hdf5/file.hpp"

using namespace vae_dist;
using namespace vae_dist::disentanglement;
using namespace vae_dist::evaluate;

namespace {

template <typename T>
at::Tensor read(const hdf5::Hdf5File& file, const char* path, at::ScalarType type) {
  const hdf5::Hdf5Dataset dataset = file.dataset(path);
  at::Tensor values = at::empty(dataset.shape(), type);
  dataset.read_rows(0, dataset.shape()[0],
                    std::span(values.data_ptr<T>(), static_cast<std::size_t>(values.numel())));
  return values;
}

nlohmann::json list(const at::Tensor& values) {
  if (values.dim() == 0)
    return values.is_floating_point() ? nlohmann::json(values.item<double>())
                                      : nlohmann::json(values.item<std::int64_t>());
  nlohmann::json result = nlohmann::json::array();
  for (std::int64_t i = 0; i < values.size(0); ++i) result.push_back(list(values[i]));
  return result;
}

int run(const std::string& path, std::uint64_t seed) {
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(path);
  const std::vector<std::string> paths = file.dataset_paths();
  const auto has = [&](const char* name) {
    return std::find(paths.begin(), paths.end(), name) != paths.end();
  };
  nlohmann::json out;
  if (has("real")) {
    const at::Tensor real = read<float>(file, "real", at::kFloat);
    const Coverage scores = coverage_of(real, read<float>(file, "fake", at::kFloat));
    out["density"] = scores.density;
    out["coverage"] = scores.coverage;
    out["squared_radii"] = list(squared_radii(real));
  }
  if (has("mu")) {
    const std::vector<std::string> names = file.dataset("classes").text_list_attribute("names");
    std::vector<bool> ordered;
    for (const std::string& name : names) ordered.push_back(is_ordered_factor(name));
    const FactoredLatents latents(read<double>(file, "mu", at::kDouble),
                                  read<std::int64_t>(file, "classes", at::kLong), names, ordered);
    const LabelledPoints votes = beta_vae_points(latents, {.first = 0, .count = 2000}, seed);
    out["beta_vae"] = beta_vae_score(latents, seed);
    out["beta_vae_points"] = list(votes.points);
    out["beta_vae_labels"] = list(votes.labels);
    out["factor_vae"] = factor_vae_score(latents, seed);
    out["mig"] = mutual_information_gap(latents);
    out["mutual_information"] = list(mutual_information(latents));
    out["entropies"] = list(factor_entropies(latents));
    out["sap"] = sap_score(latents, seed);
    out["predictability"] = list(attribute_predictability(latents, seed));
  }
  if (has("features")) {
    const at::Tensor labels = read<std::int64_t>(file, "labels", at::kLong);
    const auto classifier = LinearClassifier::fit(read<double>(file, "features", at::kDouble),
                                                  labels, labels.max().item<std::int64_t>() + 1);
    out["weight"] = list(classifier.weight());
    out["bias"] = list(classifier.bias());
    out["predictions"] =
        list(classifier.predict(read<double>(file, "other_features", at::kDouble)));
  }
  std::cout << out << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw base::BadInput("usage: scores_of_arrays FILE [SEED]");
    return run(argv[1], argc > 2 ? std::stoull(argv[2]) : 0);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(base::exit_code(error));
  }
}
