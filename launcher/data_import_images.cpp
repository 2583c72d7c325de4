#include <algorithm>
#include <iostream>
#include <memory>

#include "base/log.hpp"
#include "datasets/import_images.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct DataImportImagesOptions {
  bool nested_classes = false;
  std::string folder, out, crop, on_error = "fail", background = "white", compress = "gzip:4";
  datasets::ImportImagesOptions import;
};

void tell(const datasets::ImportedImages& done, const DataImportImagesOptions& options) {
  constexpr std::size_t kNamed = 20;
  for (std::size_t i = 0; i < std::min(done.skipped.size(), kNamed); ++i)
    log::warn(base::text("left out ", done.skipped[i]));
  if (done.skipped.size() > kNamed)
    log::warn(base::text("left out ", done.skipped.size() - kNamed,
                         " more pictures that cannot be read"));
  if (done.others > 0)
    log::info(
        base::text(done.others, " other files were ignored; the first is ", done.first_other));
  if (!done.merged.empty())
    log::warn(base::text("the labels are the ", done.classes.size(),
                         " outermost folders. Folders inside them, such as ", done.merged,
                         ", are not distinguished; --nested-classes makes each a separate class"));
  if (done.enlarged > 0)
    log::info(base::text(done.enlarged, " pictures are smaller than ", options.import.fit.size,
                         " pixels and were enlarged"));
  if (done.all_grey && !options.import.fit.grey)
    log::info("all pictures are grey; with --gray they need one channel instead of three");
  std::cout << options.out << " is written: " << done.shape[0] << " pictures of " << done.shape[1]
            << "x" << done.shape[2] << (options.import.fit.grey ? ", grey" : ", RGB");
  if (!done.classes.empty()) std::cout << ", " << done.classes.size() << " classes";
  if (!done.skipped.empty()) std::cout << "; " << done.skipped.size() << " could not be read";
  std::cout << "\n";
}

void import(DataImportImagesOptions options) {
  // Without --size, the pictures keep their proportions.
  const std::string crop = !options.crop.empty()         ? options.crop
                           : options.import.fit.size > 0 ? "centre"
                                                         : "none";
  options.import.fit.crop = datasets::Crop::parse(crop);
  if (options.nested_classes) options.import.classes = datasets::ClassFolders::each;
  options.import.skip_broken = options.on_error == "skip";
  options.import.background = options.background == "white" ? 255 : 0;
  options.import.compression = datasets::Compression::parse(options.compress);
  tell(datasets::import_images(options.folder, options.out, options.import), options);
}

}  // namespace

void add_data_import_images(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<DataImportImagesOptions>();
  CLI::App* verb = data.add_subcommand(
      "import-images",
      "Convert a folder of JPEG and PNG pictures to HDF5; subfolders become labels");
  verb->add_option("folder", options->folder, "Folder of pictures, or of one subfolder per class")
      ->type_name(completion::kFolder)
      ->required();
  context.files
      .add_output(*verb, "out", options->out,
                  "HDF5 file to write: `imgs`, and `labels` if there are classes")
      ->required();
  verb->add_flag(
      "--nested-classes", options->nested_classes,
      "Make nested folders separate classes, named by their paths: cats/indoor, cats/outdoor");
  verb->add_option("--size", options->import.fit.size,
                   "Resize all pictures to this height and width in pixels; without it they must "
                   "all have one size")
      ->check(CLI::Range(1, 8192))
      ->type_name("PIXELS");
  verb->add_option("--crop", options->crop,
                   "Crop from the middle before resizing: centre (the largest square), none "
                   "(proportions change), or a number of pixels. Default: centre with --size");
  verb->add_flag("--gray,--grey", options->import.fit.grey, "Write one channel instead of three");
  verb->add_option("--background", options->background,
                   "white or black: the colour behind transparent pixels")
      ->check(CLI::IsMember({"white", "black"}))
      ->capture_default_str();
  verb->add_option("--on-error", options->on_error,
                   "fail: the first unreadable picture ends the import; skip: leave out unreadable "
                   "pictures and name them")
      ->check(CLI::IsMember({"fail", "skip"}))
      ->capture_default_str();
  verb->add_option("--compress", options->compress, "none, or gzip:1 (fast) to gzip:9 (small)")
      ->capture_default_str();
  verb->add_option("--threads", options->import.threads,
                   "Threads that read and compress; 0: one per core")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  verb->footer(
      "Example:\n  vae_dist data import-images cifar/train cifar_train.h5 --size 32 --on-error "
      "skip");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { import(*options); });
  });
}

}  // namespace vae_dist::launcher
