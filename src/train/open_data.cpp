#include "train/open_data.hpp"

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/log.hpp"

namespace vae_dist {
namespace {

// MemAvailable of /proc/meminfo; nothing where it cannot be read.
std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  std::uint64_t kilobytes = 0;
  while (file >> word)
    if (word == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
  return 0;
}

}  // namespace

ImageDataset open_source(const SourceConfig& source, const std::string& key, int ranks_of_node) {
  ImageSource what;
  what.files = source.file;
  what.dataset = source.dataset;
  what.layout = source.layout;
  what.scale = source.scale;
  what.rows = source.rows;
  try {
    ImageDataset dataset = ImageDataset::open(what, available_memory() / 2 / static_cast<std::uint64_t>(ranks_of_node));
    if (!dataset.in_memory())
      log::warn(text(what.files.front(), " does not fit into half of the free memory of each of ", ranks_of_node, " ranks: every row is decoded when it is needed, which is slow for compressed chunks"));
    return dataset;
  } catch (const Error& error) {
    // A chunk that cannot be decoded is a failed read to HDF5; here, before the first step, it is bad input.
    const bool relative = std::filesystem::path(what.files.front()).is_relative() && !std::filesystem::exists(what.files.front());
    throw BadInput(text(key, ": ", error.what(), relative ? ". A relative path begins at the folder that the program was started in." : ""));
  }
}

InputFormat input_format(const Config& config, const ImageDataset& dataset, c10::Device device) {
  InputFormat format;
  format.shape = dataset.shape();
  format.layout = dataset.layout();
  format.pixels = dataset.type();
  format.scale = dataset.scale();
  format.low = config.data.range[0];
  format.high = config.data.range[1];
  format.channels_last = config.train.channels_last;
  format.device = device;
  format.type = config.train.precision == "fp64" ? at::kDouble : at::kFloat;
  return format;
}

}  // namespace vae_dist
