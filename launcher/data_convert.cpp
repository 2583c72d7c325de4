#include <iostream>
#include <memory>

#include "base/digits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "datasets/convert.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct DataConvertOptions {
  std::vector<std::string> files;
  std::string dataset, compress = "gzip:4";
  std::int64_t memory_mb = 1024;
  datasets::ConvertOptions convert;
};

void run(DataConvertOptions options) {
  const std::string out = options.files.back();
  options.files.pop_back();
  if (!options.dataset.empty()) options.convert.dataset = options.dataset;
  options.convert.compression = datasets::Compression::parse(options.compress);
  options.convert.memory_bytes = options.memory_mb << 20;
  const datasets::Converted done = datasets::convert(options.files, out, options.convert);
  for (const std::string& each : done.left_out) log::warn(base::text("left out: ", each));
  if (done.max_decodes_per_chunk > 1)
    log::info(
        base::text("each chunk was decoded ", done.max_decodes_per_chunk,
                   " times, because the images of one row of chunks do not fit into --memory ",
                   options.memory_mb, " (MiB)"));
  std::cout << out << " is written: " << done.shape[0] << " images in chunks of " << done.chunk[0]
            << "; " << base::format_bytes(static_cast<double>(done.stored_bytes_before))
            << " became " << base::format_bytes(static_cast<double>(done.bytes_after)) << "\n";
}

}  // namespace

void add_data_convert(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<DataConvertOptions>();
  CLI::App* verb = data.add_subcommand(
      "convert",
      "Re-chunk HDF5 files for training, change their compression, or merge several into one");
  verb->add_option("files", options->files,
                   "IN.h5 [MORE.h5 ...] OUT.h5: the files to read, and the one to write")
      ->required()
      ->type_name(completion::kFile)
      ->expected(2, 10000)
      ->option_text("FILE FILE ...");
  verb->add_option("--dataset", options->dataset,
                   "Path of the image dataset, if there are several candidates");
  verb->add_option("--chunk-images", options->convert.chunk_images,
                   "Images per chunk. Default: 64, or fewer if those take more than 4 MiB")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  verb->add_option("--compress", options->compress, "none, or gzip:1 (fast) to gzip:9 (small)")
      ->capture_default_str();
  verb->add_option("--memory", options->memory_mb, "Memory for decoded images")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("MIB")
      ->capture_default_str();
  verb->add_option("--threads", options->convert.threads, "Compression threads; 0: one per core")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  context.files.add_inputs(*verb, [options] {
    return std::vector<std::string>(options->files.begin(), options->files.end() - 1);
  });
  context.files.add_outputs(*verb, "",
                            [options] { return std::vector<std::string>{options->files.back()}; });
  verb->footer(
      "Labels, factors and attributes are kept.\n"
      "Examples:\n"
      "  vae_dist data convert dsprites.h5 dsprites_for_training.h5 --chunk-images 64\n"
      "  vae_dist data convert part1.h5 part2.h5 part3.h5 all.h5 --compress gzip:1");
  verb->callback(
      [&context, options] { context.chosen = on_one_rank(context, [options] { run(*options); }); });
}

}  // namespace vae_dist::launcher
