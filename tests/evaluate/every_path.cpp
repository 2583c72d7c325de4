// Reads HDF5 files in all the ways that the program has, for a test that compares the results with
// those of another reader:
//   every_path FOLDER
// Reads from stdin one line per file: FILE LAYOUT CROP, separated by tabs. For each file it writes
// into FOLDER the images as read from memory, from the stream, cropped, and from the converted file
// (memory.bin, stream.bin, crop.bin, converted.bin), the converted file, and the codes and labels
// that embedding writes (codes.h5). It answers with one line per file, a JSON object with the
// result of each way.
#include <torch/utils.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.hpp"
#include "datasets/convert.hpp"
#include "datasets/file_description.hpp"
#include "datasets/verify.hpp"
#include "evaluate/latent_file.hpp"
#include "model/mlp_vae.hpp"

using namespace vae_dist;
using namespace vae_dist::evaluate;
using nlohmann::json;

namespace {

enum class Cache { memory, stream };

data::SampleDataset opened(const data::SampleSource& source, Cache cache) {
  data::SampleDataset images = data::SampleDataset::open(source);
  if (cache == Cache::memory) {
    const auto self = comm::make_self_communicator();
    images.cache(*self, *self, {.threads = 2});
  }
  images.scale();
  return images;
}

// Reads everything twice, the second time backwards: what the library caches in the first pass must
// not change anything.
json write_images(const data::SampleDataset& images, const std::string& path) {
  std::vector<std::uint8_t> all(static_cast<std::size_t>(images.size()) * images.image_bytes());
  std::vector<std::uint8_t> again(images.image_bytes());
  const auto place = [&](std::int64_t i) {
    return std::span(all).subspan(static_cast<std::size_t>(i) * again.size(), again.size());
  };
  for (std::int64_t i = 0; i < images.size(); ++i) images.read(i, place(i));
  for (std::int64_t i = images.size(); i-- > 0;) {
    images.read(i, again);
    if (!std::equal(again.begin(), again.end(), place(i).begin()))
      throw base::Failure(base::text("image ", i, " differs when it is read again"));
  }
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(all.data()), static_cast<std::streamsize>(all.size()));
  return {{"images", images.size()},
          {"shape", {images.shape().channels, images.shape().space[0], images.shape().space[1]}},
          {"layout", images.layout().text()},
          {"type", images.type() == arrays::PixelType::uint8 ? "uint8" : "float32"},
          {"scale", images.scale()},
          {"fingerprint", images.fingerprint()}};
}

json verified(const std::string& file) {
  json out = json::array();
  for (const datasets::VerifiedDataset& seen : datasets::verify(file, 1)) {
    std::vector<std::string> faults = seen.damage;
    for (const std::string& fault :
         {seen.unreadable, seen.first_out_of_range, seen.first_not_finite})
      if (!fault.empty()) faults.push_back(fault);
    out.push_back({{"path", seen.path},
                   {"faults", faults},
                   {"least", datasets::number_text(seen.numbers.least)},
                   {"greatest", datasets::number_text(seen.numbers.greatest)}});
  }
  return out;
}

json embedded(const data::SampleSource& source, const std::string& codes) {
  const data::SampleDataset images = opened(source, Cache::memory);
  const arrays::SampleShape& s = images.shape();
  torch::manual_seed(4);
  model::MlpVae model(
      {.channels = s.channels, .space = s.space, .latent_dim = 2, .hidden_dims = {4}},
      model::make_likelihood("gaussian"));
  data::InputFormat format;
  format.shape = s;
  format.layout = images.layout();
  format.pixels = images.type();
  format.scale = images.scale();
  const auto self = comm::make_self_communicator();
  return write_latents(codes, model, images, chosen_labels(images, "", model), {0, images.size()},
                       format, 16, *self);
}

json look_at(const std::string& line, const std::filesystem::path& folder) {
  std::istringstream words(line);
  std::string file, layout, crop;
  std::getline(words, file, '\t');
  std::getline(words, layout, '\t');
  std::getline(words, crop, '\t');
  data::SampleSource source;
  source.files = {file};
  source.layout = layout;
  data::SampleSource cropped = source;
  cropped.geometry.crop = std::stoll(crop);

  json out;
  const auto path = [&](const std::string& name, auto action) {
    try {
      out[name] = action();
    } catch (const base::Error& error) {
      out[name] = {{"error", error.what()}, {"code", static_cast<int>(error.code())}};
    }
  };
  const auto place = [&](const char* name) { return (folder / name).string(); };
  path("memory", [&] { return write_images(opened(source, Cache::memory), place("memory.bin")); });
  path("stream", [&] { return write_images(opened(source, Cache::stream), place("stream.bin")); });
  path("crop", [&] { return write_images(opened(cropped, Cache::stream), place("crop.bin")); });
  path("convert", [&] {
    datasets::ConvertOptions options;
    options.dataset = data::SampleDataset::open(source).stored().path();
    options.threads = 1;
    options.chunk_images = 7;
    datasets::convert({file}, place("converted.h5"), options);
    data::SampleSource converted = source;
    converted.files = {place("converted.h5")};
    return write_images(opened(converted, Cache::memory), place("converted.bin"));
  });
  path("verify", [&] { return verified(file); });
  path("info", [&] {
    return datasets::datasets_of(hdf5::Hdf5File::open(file)) +
           datasets::reading_of(opened(source, Cache::stream));
  });
  path("embed", [&] { return embedded(source, place("codes.h5")); });
  return out;
}

}  // namespace

int main(int, char** argv) {
  const std::filesystem::path folder = argv[1];
  for (std::string line; std::getline(std::cin, line);)
    std::cout << look_at(line, folder).dump() << std::endl;
}
