#include <memory>

#include "config/words.hpp"
#include "launcher/model_options.hpp"
#include "launcher/verbs.hpp"
#include "lesson/lesson.hpp"
#include "run/choose_device.hpp"

namespace vae_dist::launcher {

void add_lesson_verb(CLI::App& app, VerbContext& context) {
  struct Options {
    std::string data, out = "lesson/report.html";
    lesson::LessonOptions lesson;
    ComputeOptions compute;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("lesson",
                                      "Train an autoencoder, a decoder alone and a VAE briefly, "
                                      "and explain on one page how they relate");
  verb->add_option("--data", options->data, "HDF5 file with images (default: built-in shapes)")
      ->type_name(completion::kFile);
  context.files.add_inputs(*verb, path_of(options->data));
  context.files
      .add_output(*verb, "--out", options->out,
                  "Output file of the page; its numbers are written next to it as .json")
      ->capture_default_str();
  context.files.add_outputs(*verb, "--out", [options] {
    return std::vector<std::string>{
        std::filesystem::path(options->out).replace_extension(".json").string()};
  });
  verb->add_option("--seed", options->lesson.seed, "Random seed (default: that of a run)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option(
          "--steps", options->lesson.sizes.long_steps,
          "Training steps of the autoencoder and the VAE; each point of a comparison gets a fifth")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_device_option(*verb, options->compute);
  verb->footer("Example:\n  vae_dist lesson --data mnist_train.h5 --out lesson/mnist.html");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [&context, options] {
      if (!options->data.empty()) options->lesson.data = options->data;
      options->lesson.out = options->out;
      options->lesson.sizes.short_steps =
          std::max<std::int64_t>(20, options->lesson.sizes.long_steps / 5);
      config::DistributedConfig distributed;
      distributed.device = config::from_word<config::Device>(options->compute.device);
      distributed.share_gpu = true;  // this rank computes alone, however many were started
      device::DeviceChoice device = run::choose_device(distributed, run::node_facts(context.world));
      options->lesson.threads = device.device.is_cuda() ? 1 : device.threads;
      // The networks of the lesson are so small that several threads per training would wait for
      // each other.
      device.threads = 1;
      run::apply_device(device, config::Precision::fp32, /*reproducible=*/false);
      lesson::write_lesson(options->lesson, device);
    });
  });
}

}  // namespace vae_dist::launcher
