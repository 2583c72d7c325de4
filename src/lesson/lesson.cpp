#include "lesson/lesson.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "input/open_data.hpp"
#include "lesson/lesson_page.hpp"
#include "synthetic/shapes.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kLargestImage = 32;
constexpr std::int64_t kImagesTaken = 20000;  // so few steps would not reach more

// Writes the built-in shapes beside the page, so that they can be inspected as well.
std::string made_shapes(const LessonOptions& options) {
  synthetic::ShapesOptions shapes;
  shapes.count = 15000;
  shapes.size = kLargestImage;
  shapes.channels = 1;
  shapes.seed = options.seed;
  const std::filesystem::path path = options.out.parent_path() / "shapes.h5";
  synthetic::make_shapes(path.string(), shapes);
  return path.string();
}

data::SampleDataset open_images(const LessonOptions& options) {
  config::Config config;
  config::SourceConfig source;
  source.file = {options.data ? *options.data : made_shapes(options)};
  data::SampleDataset data = input::open_source(config, source, "--data");
  if (data.size() > kImagesTaken) {
    source.rows = {0, kImagesTaken};
    data = input::open_source(config, source, "--data");
  }
  if (!data.shape().is_image())
    throw base::BadInput(base::text(data.description(), ": the lesson is about images"));
  const auto [shorter, longer] = std::minmax(data.shape().space[0], data.shape().space[1]);
  if (longer > kLargestImage) {
    config.data.resize = kLargestImage;
    config.data.crop = shorter;
    data = input::open_source(config, source, "--data");
  }
  const auto self = comm::make_self_communicator();
  data.cache(*self, *self, {});
  return data;
}

nlohmann::ordered_json numbers(const LessonResults& results) {
  const auto system = [](const SystemResult& look) {
    return nlohmann::ordered_json{{"mse", look.evaluation.mse},
                                  {"kld_nats", look.evaluation.kld_nats},
                                  {"code_deviation", look.code_deviation},
                                  {"coverage", look.coverage.coverage},
                                  {"density", look.coverage.density}};
  };
  nlohmann::ordered_json out = {{"data", results.data},
                                {"mean_image_mse", results.mean_image_mse},
                                {"real_coverage", results.real_coverage.coverage},
                                {"mean_image_density", results.mean_image_coverage.density},
                                {"autoencoder", system(results.autoencoder)},
                                {"vae", system(results.vae)}};
  for (const DecoderResult& each : results.decoders)
    out["decoders"].push_back({{"latent_dim", each.latent_dim},
                               {"draws", each.draws},
                               {"effective_samples", each.effective_samples},
                               {"log_p_nats", each.log_p.back().nats}});
  const TwoLatentResult& two = results.two_latents;
  const auto points = [](const std::vector<BoundPoint>& given, const char* at) {
    auto list = nlohmann::ordered_json::array();
    for (const BoundPoint& each : given)
      list.push_back({{at, each.at},
                      {"log_p_nats", each.log_p},
                      {"bound_nats", each.bound},
                      {"median_gap_nats", each.median_gap}});
    return list;
  };
  out["two_latents"] = {{"images", two.images},
                        {"sigma", two.sigma},
                        {"log_p_nats", two.log_p},
                        {"elbo_nats", two.elbo},
                        {"gap_nats", two.gap},
                        {"kl_to_true_posterior_nats", two.kl},
                        {"least_kl_nats", two.least_kl},
                        {"largest_kl_nats", two.largest_kl},
                        {"largest_difference_nats", two.largest_difference},
                        {"grid_error_nats", two.grid_error},
                        {"training", points(two.training, "step")},
                        {"weighted_bounds", points(two.weighted, "draws")}};
  out["trained_with_weighted_bound"] = {{"draws", results.weighted.draws},
                                        {"log_p_nats", results.weighted.log_p},
                                        {"elbo_nats", results.weighted.elbo},
                                        {"bound_nats", results.weighted.bound}};
  for (const GradientEstimator& each : two.gradient.estimators)
    out["gradient_estimators"].push_back(
        {{"name", each.name},
         {"draws", two.gradient.draws},
         {"length", each.length},
         {"variance", each.variance},
         {"difference", each.difference},
         {"share_within_two_errors", each.share_within_two_errors}});
  for (const WidthResult& each : results.widths)
    out["widths"].push_back({{"sigma", each.sigma},
                             {"elbo_nats", each.elbo_nats},
                             {"kld_nats", each.kld_nats},
                             {"mse", each.mse}});
  out["predicted_widths"] = {{"sigma", results.predicted_widths.sigma},
                             {"error", results.predicted_widths.error}};
  const auto weights = [](const std::vector<WeightResult>& looks) {
    auto list = nlohmann::ordered_json::array();
    for (const WeightResult& each : looks)
      list.push_back({{"weight", each.weight},
                      {"effective_sigma", each.effective_sigma},
                      {"reconstruction", each.reconstruction},
                      {"kld_nats", each.kld_nats},
                      {"mse", each.mse}});
    return list;
  };
  out["betas"] = weights(results.betas);
  out["kld_weights"] = weights(results.kld_weights);
  return out;
}

}  // namespace

void write_lesson(const LessonOptions& options, const device::DeviceChoice& device) {
  if (!options.out.parent_path().empty())
    std::filesystem::create_directories(options.out.parent_path());
  data::SampleDataset training = open_images(options);
  const double held_out_share = std::min(
      0.5, static_cast<double>(options.sizes.compared) / static_cast<double>(training.size()));
  const data::SampleDataset held_out =
      training.hold_out(held_out_share, static_cast<std::uint64_t>(options.seed));
  const base::Stopwatch watch;
  log::info(options.threads == 1
                ? "one training at a time"
                : base::text(options.threads, " trainings at a time, one on each core"));
  const LessonResults results = run_experiments(
      training, held_out, options.sizes, device, options.threads, options.seed,
      [&](const std::string& what) {
        log::info(base::text(static_cast<std::int64_t>(watch.elapsed().count()), " s: ", what));
      });
  lesson_page(results).write(options.out);
  std::filesystem::path json = options.out;
  base::replace_file(json.replace_extension(".json"), base::json_text(numbers(results), 2) + "\n");
  log::info(base::text("The lesson is in ", options.out.string(), " (",
                       static_cast<std::int64_t>(watch.elapsed().count()), " s)"));
}

}  // namespace vae_dist::lesson
