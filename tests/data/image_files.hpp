// Small image files for the tests of this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "../temporary_folder.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::data {

constexpr std::uint64_t kAllInMemory = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kNothingInMemory = 0;

/// Returns bytes that differ between neighbouring images, pixels and channels.
inline std::vector<std::uint8_t> varied_bytes(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>((i * 37 + i / 256 * 11) % 251 + 2);
  return bytes;
}

class ImageFileTest : public TemporaryFolderTest {
 protected:
  /// Writes varied_bytes() as dataset `name` of a new file, and returns its path.
  std::string make_images(const std::string& file, const std::vector<std::int64_t>& shape,
                          const std::string& name = "imgs") const {
    hdf5::Hdf5File made = hdf5::Hdf5File::create(path(file));
    add(made, name, shape);
    made.close();
    return path(file);
  }

  static std::vector<std::uint8_t> add(hdf5::Hdf5File& file, const std::string& name,
                                       const std::vector<std::int64_t>& shape) {
    std::int64_t values = 1;
    for (const std::int64_t size : shape) values *= size;
    const std::vector<std::uint8_t> bytes = varied_bytes(static_cast<std::size_t>(values));
    file.create_dataset(name, {.shape = shape, .chunk_rows = 5, .deflate_level = 1})
        .write_rows(0, shape[0], bytes);
    return bytes;
  }

  static SampleDataset open(const std::string& file, std::uint64_t memory_budget = kAllInMemory) {
    SampleSource source;
    source.files = {file};
    return SampleDataset::open(source, memory_budget);
  }
};

inline std::vector<std::uint8_t> image_of(const SampleDataset& dataset, std::int64_t index) {
  std::vector<std::uint8_t> image(static_cast<std::size_t>(dataset.shape().values()) *
                                  bytes_of(dataset.type()));
  dataset.read(index, image);
  return image;
}

}  // namespace vae_dist::data
