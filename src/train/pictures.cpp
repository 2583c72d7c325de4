#include "train/pictures.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/log.hpp"
#include "base/text.hpp"
#include "evaluate/model_pictures.hpp"
#include "evaluate/read_samples.hpp"
#include "input/open_data.hpp"
#include "report/picture_files.hpp"
#include "run/run_directory.hpp"

namespace vae_dist::train {

void write_pictures(const LoopParts& parts, std::int64_t steps_done) {
  const config::PicturesConfig& wanted = parts.config.pictures;
  const run::RunDirectory directory(parts.config.run);
  const data::SampleDataset& data = parts.validation ? *parts.validation : parts.train;
  const data::InputFormat format = input::input_format(parts.config, data, parts.device);
  const std::string when = base::text("step ", steps_done);
  std::string number = std::to_string(steps_done);
  number.insert(0, 8 - std::min<std::size_t>(8, number.size()), '0');
  const step::AveragedWeights averaged(parts.learner.averages(), &parts.learner.gate());
  const auto seed = static_cast<std::uint64_t>(parts.config.run.seed);
  const auto draw =
      [&](const std::string& kind, const std::string& of,
          const std::function<void(const std::filesystem::path&, const std::string&)>& write) {
        try {
          const std::filesystem::path file =
              directory.pictures() / base::text(kind, "_", number, ".png");
          write(file, base::text(parts.config.run.name, ": ", of, ", ", when));
          parts.recorder.picture(kind, steps_done, file);
        } catch (const std::exception& error) {
          // A failed picture (a full disk, too little memory, too many pixels) must not end the
          // run.
          const std::string said = error.what();
          log::warn(base::text("no pictures at ", when, ": ", kind, ": ",
                               said.substr(0, said.find('\n'))));
        }
      };
  model::LatentModel& model = parts.learner.model();
  if (wanted.samples > 0 && evaluate::can_sample_prior(model))
    draw("samples", "samples of the prior", [&](const auto& path, const auto& title) {
      // Samples of a conditional model answer to the conditions of the first samples of the data.
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; data.conditions() && i < wanted.samples; ++i)
        rows.push_back(i % data.size());
      const at::Tensor condition = evaluate::conditions_of(data, rows, format);
      report::write_sample_grid(path,
                                evaluate::sample_prior(model, wanted.samples, seed, 1.0,
                                                       evaluate::Prior::normal, condition),
                                report::showing_of(format, data), title);
    });
  if (model.latent_kind() == base::LatentKind::none) return;
  if (wanted.reconstructions > 0)
    draw("reconstructions", "reconstructions", [&](const auto& path, const auto& title) {
      report::write_reconstruction_grid(
          path,
          evaluate::reconstruct(model, data, 0, std::min(wanted.reconstructions, data.size()),
                                format, evaluate::Latent::mean, seed),
          report::showing_of(format, data), title);
    });
  if (wanted.traversals > 0)
    draw("traversals", "traversals from row 0", [&](const auto& path, const auto& title) {
      report::write_traversal_grid(
          path,
          evaluate::traverse(model, data, format,
                             evaluate::usual_traversal(model, wanted.traversals, seed)),
          report::showing_of(format, data), title);
    });
}

}  // namespace vae_dist::train
