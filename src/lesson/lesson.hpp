// The lesson leads from the autoencoder via a decoder without an encoder to the variational
// autoencoder. It trains each briefly and writes one page.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lesson/experiments.hpp"

namespace vae_dist::lesson {

struct LessonOptions {
  std::optional<std::string>
      data;  ///< HDF5 file; empty: built-in shapes, 32x32 grey, newly generated
  std::filesystem::path out = "lesson/report.html";
  std::int64_t seed = 1265;
  LessonSizes sizes;
  int threads = 1;  ///< concurrent trainings, each on one thread
};

/// Writes the page, and beside it its numbers in a .json file of the same name. Resizes larger
/// images to 32 pixels. Throws BadInput if the data cannot be read.
void write_lesson(const LessonOptions& options, const device::DeviceChoice& device);

}  // namespace vae_dist::lesson
