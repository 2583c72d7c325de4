#include <iostream>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "evaluate/latent_file.hpp"
#include "hdf5/partial_file.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct EmbedOptions {
  ModelChoice model;
  std::string rows, out, labels;
  inference::DataChoice data;
  ComputeOptions compute;
};

base::ExitCode embed_rows(const EmbedOptions& options, const comm::MpiWorld& world) {
  log::configure(world.rank(), world.size(), log::Level::info);
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  comm::agree_on_rank_0(*all_ranks, [&] {
    if (!options.out.ends_with(".h5"))
      throw base::BadInput(base::text("--out ", options.out, ": name a file that ends in .h5"));
  });
  const inference::TrainedModel trained = load_chosen_model(options.model, *all_ranks);
  c10::Device device = c10::kCPU;
  comm::agree(*all_ranks, [&] {
    inference::require_encoder(trained, "embed with");
    device = use_device(options.compute, world);
  });
  const inference::SharedData data =
      inference::open_shared_data(trained, options.data, world, *all_ranks);
  arrays::RowRange samples;
  std::vector<std::string> labels;
  std::optional<hdf5::PartialFile> file;
  comm::agree(*all_ranks, [&] {
    samples = inference::chosen_rows(options.rows, data.images.size());
    labels = evaluate::chosen_labels(data.images, options.labels, *trained.model);
  });
  comm::agree_on_rank_0(*all_ranks, [&] { file.emplace(options.out); });

  trained.model->to(device);
  const std::string path = file ? file->path() : "";
  const data::InputFormat format = input::input_format(trained.config, data.images, device);
  const std::vector<std::string> names =
      evaluate::write_latents(path, *trained.model, data.images, labels, samples, format,
                              trained.config.evaluate.batch, *all_ranks);
  comm::agree_on_rank_0(*all_ranks, [&] {
    file->commit();
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    std::cout << samples.size() << " rows encoded by " << trained.origin.string() << " are in "
              << options.out << ": " << list << "\n";
  });
  return base::ExitCode::done;
}

}  // namespace

void add_embed_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* verb = app.add_subcommand("embed",
                                      "Write the latent codes of images with their labels and "
                                      "factors; under mpirun the ranks share the work");
  add_checkpoint_option(*verb, context, options->model);
  add_data_options(*verb, context, options->data);
  verb->add_option("--rows", options->rows, "Rows A:B, excluding B (default: all)");
  verb->add_option("--labels", options->labels,
                   "Datasets of the image file to copy next to the codes, as A,B, or none "
                   "(default: all that have one row per image)");
  context.files
      .add_output(*verb, "--out", options->out,
                  "HDF5 file (.h5) for `mu` [N, L], `log_var` [N, L] (with model.codes instead "
                  "`codes` [N, vectors]), and the labels and factors of these rows under their own "
                  "names")
      ->required();
  add_compute_options(*verb, options->compute);
  verb->footer(
      "Example:\n  mpirun -np 4 vae_dist embed --checkpoint runs/mnist --data mnist_test.h5 --out "
      "codes.h5");
  verb->callback([&context, options] {
    context.chosen = [&context, options] { return embed_rows(*options, context.world); };
  });
}

}  // namespace vae_dist::launcher
