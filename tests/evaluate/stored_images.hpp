// A test fixture that stores given bytes as a dataset of images.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../temporary_folder.hpp"
#include "data/model_input.hpp"

namespace vae_dist::evaluate {

class StoredImages : public TemporaryFolderTest {
 protected:
  /// Writes `bytes` as the images of a new file and returns its path. shape: [N, H, W] or [N, H, W,
  /// C].
  std::string store(const std::string& file, const std::vector<std::int64_t>& shape,
                    const std::vector<std::uint8_t>& bytes) const {
    hdf5::Hdf5File made = hdf5::Hdf5File::create(path(file));
    made.create_dataset("imgs", {.shape = shape}).write_rows(0, shape[0], bytes);
    made.close();
    return path(file);
  }

  static data::SampleDataset open(const std::string& file) {
    data::SampleSource source;
    source.files = {file};
    source.scale = 1.0 / 255;
    return data::SampleDataset::open(source, std::numeric_limits<std::uint64_t>::max());
  }

  data::SampleDataset stored(const std::vector<std::int64_t>& shape,
                             const std::vector<std::uint8_t>& bytes) const {
    return open(store("images.h5", shape, bytes));
  }
};

/// The input format for a double-precision model.
inline data::InputFormat format_of(const data::SampleDataset& dataset, double low = 0,
                                   double high = 1) {
  data::InputFormat format{.shape = dataset.shape(),
                           .layout = dataset.layout(),
                           .scale = dataset.scale(),
                           .low = low,
                           .high = high};
  format.channels_last = false;
  format.type = at::kDouble;
  return format;
}

}  // namespace vae_dist::evaluate
