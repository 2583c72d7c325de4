#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "data/image_dataset.hpp"
#include "datasets/reading_advice.hpp"
#include "datasets/stored_file.hpp"
#include "launcher/data_verbs.hpp"
#include "picture/image_grid.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kPictures = 64;

struct InfoOptions {
  std::string file, picture;
  ImageSource source;
};

std::string joined(const std::vector<std::string>& names, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) out += (i ? ", " : "") + names[i];
  return names.size() > most ? out + ", ..." : out;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + joined(sizes, sizes.size()) + "]";
}

std::string chunk_text(const Hdf5Dataset& d) {
  if (d.chunk().empty()) return "not chunked";
  const bool whole_rows = std::equal(d.chunk().begin() + 1, d.chunk().end(), d.shape().begin() + 1);
  return whole_rows ? text("chunks of ", d.chunk()[0], " rows") : text("chunks ", shape_text(d.chunk()));
}

void list_datasets(const Hdf5File& file) {
  for (const std::string& path : file.dataset_paths()) {
    const Hdf5Dataset d = file.dataset(path);
    std::cout << path << ": " << d.type_name() << " " << shape_text(d.shape()) << ", " << chunk_text(d) << ", filters: " << d.filters() << ", "
              << format_bytes(static_cast<double>(d.stored_bytes())) << " in the file\n";
    if (const std::vector<std::string> names = d.text_list_attribute("names"); !names.empty()) std::cout << "  names: " << joined(names, 20) << "\n";
  }
}

void advise(const ImageDataset& dataset, const std::string& file) {
  const StoredDataset stored = StoredFile::open(file).dataset(dataset.stored().path());
  const ReadingAdvice advice = reading_advice(chunk_facts(stored.shape(), stored.chunk(), static_cast<std::int64_t>(stored.element_bytes())), dataset.stored().filters());
  std::cout << "advice: " << advice.reason;
  if (advice.convert) std::cout << ". Convert it before training:\n  vae_dist data convert " << file << " converted.h5 --dataset " << dataset.stored().path();
  std::cout << "\n";
}

// An image as it is read, in 256 levels, height by width by channels.
Picture grey_levels(const ImageDataset& dataset, std::span<const std::uint8_t> stored) {
  const ImageShape& s = dataset.shape();
  Picture out{static_cast<int>(s.height), static_cast<int>(s.width), static_cast<int>(s.channels), std::vector<std::uint8_t>(static_cast<std::size_t>(s.values()))};
  const bool planes = dataset.layout() == ImageLayout::nchw;
  const std::int64_t area = s.height * s.width;
  for (std::int64_t p = 0; p < area; ++p)
    for (std::int64_t c = 0; c < s.channels; ++c) {
      const auto from = static_cast<std::size_t>(planes ? c * area + p : p * s.channels + c);
      float value = stored[dataset.type() == PixelType::uint8 ? from : 0];
      if (dataset.type() == PixelType::float32) std::memcpy(&value, stored.data() + from * sizeof value, sizeof value);
      out.pixels[static_cast<std::size_t>(p * s.channels + c)] = static_cast<std::uint8_t>(std::clamp(value * dataset.scale() * 255.0 + 0.5, 0.0, 255.0));
    }
  return out;
}

// Evenly spaced: a dataset in the order of its classes shows all of them.
void write_picture(const ImageDataset& dataset, const std::string& path) {
  const std::int64_t shown = std::min(kPictures, dataset.size());
  std::vector<Picture> pictures;
  std::vector<std::uint8_t> stored(dataset.image_bytes());
  for (std::int64_t i = 0; i < shown; ++i) {
    dataset.read(i * dataset.size() / shown, stored);
    pictures.push_back(grey_levels(dataset, stored));
  }
  GridOptions options;
  options.title = dataset.description();
  options.subtitle = shown < dataset.size() ? text(shown, " of them, evenly spaced") : "all of them";
  write_image_grid(path, pictures, options);
}

void show_info(const InfoOptions& options) {
  ImageSource source = options.source;
  source.files = {options.file};
  list_datasets(Hdf5File::open(options.file));
  const ImageDataset dataset = ImageDataset::open(source, 0);
  std::cout << "read as " << dataset.description() << "\nscale " << dataset.scale() << ": stored values times it lie in [0, 1]\nfingerprint " << dataset.fingerprint() << "\n";
  advise(dataset, options.file);
  if (options.picture.empty()) return;
  write_picture(dataset, options.picture);
  std::cout << "a grid of images is in " << options.picture << "\n";
}

}  // namespace

void add_data_info(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* verb = data.add_subcommand("info", "Say what an HDF5 file holds, how its images are read, and whether to convert it");
  verb->add_option("file", options->file, "HDF5 file")->required();
  verb->add_option("--dataset", options->source.dataset, "Path of the images, where there are several candidates");
  verb->add_option("--layout", options->source.layout, "auto, NHW, NHWC or NCHW")->check(CLI::IsMember({"auto", "NHW", "NHWC", "NCHW"}))->capture_default_str();
  context.files.add_inputs(*verb, path_of(options->file));
  context.files.add_output(*verb, "--out,--picture", options->picture, "PNG file for a grid of 64 images, evenly spaced");
  verb->footer("Example:\n  vae_dist data info shapes.h5 --out shapes.png");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { show_info(*options); }); });
}

}  // namespace vae_dist
