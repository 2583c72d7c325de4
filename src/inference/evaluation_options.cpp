#include "inference/evaluation_options.hpp"

#include <algorithm>

#include "step/open_data.hpp"

namespace vae_dist::inference {

evaluate::EvaluationOptions evaluation_options(const config::Config& config, const step::ResolvedObjective& objective, const data::SampleDataset& images, data::RowRange samples, std::int64_t steps, c10::Device device) {
  evaluate::EvaluationOptions options;
  options.format = step::input_format(config, images, device);
  // A schedule's present beta: what is compared with what training minimises now.
  options.weights = objective.weights_at(std::max<std::int64_t>(0, steps - 1));
  options.block = config.evaluate.batch;
  options.first = samples.first;
  options.samples = samples.size();
  options.importance_samples = config.evaluate.importance_samples;
  options.seed = static_cast<std::uint64_t>(config.run.seed);
  options.is_likelihood = step::is_likelihood_of(config, images);
  if (config.objective.likelihood == "gaussian" && config.objective.variance == "fixed") options.fixed_sigma = config.objective.sigma;
  return options;
}

}  // namespace vae_dist::inference
