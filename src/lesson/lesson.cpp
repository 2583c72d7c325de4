#include "lesson/lesson.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "datasets/shapes.hpp"
#include "lesson/lesson_page.hpp"
#include "step/open_data.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kLargestImage = 32;
constexpr std::int64_t kImagesTaken = 20000;  // so few steps would not reach more

// Writes the built-in shapes beside the page, so that they can be inspected as well.
std::string made_shapes(const LessonOptions& options) {
  datasets::ShapesOptions shapes;
  shapes.count = 15000;
  shapes.size = kLargestImage;
  shapes.channels = 1;
  shapes.seed = options.seed;
  const std::filesystem::path path = options.out.parent_path() / "shapes.h5";
  datasets::make_shapes(path.string(), shapes);
  return path.string();
}

data::SampleDataset open_images(const LessonOptions& options) {
  config::Config config;
  config::SourceConfig source;
  source.file = {options.data ? *options.data : made_shapes(options)};
  data::SampleDataset data = step::open_source(config, source, "--data");
  if (data.size() > kImagesTaken) {
    source.rows = {0, kImagesTaken};
    data = step::open_source(config, source, "--data");
  }
  if (std::max(data.shape().height, data.shape().width) > kLargestImage) {
    config.data.resize = kLargestImage;
    config.data.crop = std::min(data.shape().height, data.shape().width);
    data = step::open_source(config, source, "--data");
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
