// The walk from the autoencoder over a decoder without an encoder to the variational autoencoder,
// trained briefly and written on one page.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lesson/experiments.hpp"

namespace vae_dist::lesson {

struct LessonOptions {
  std::optional<std::string> data;  ///< HDF5 file; empty: built-in shapes, 32x32 grey, made anew
  std::filesystem::path out = "lesson/report.html";
  std::int64_t seed = 1265;
  LessonSizes sizes;
  int threads = 1;  ///< trainings at a time, each on one thread
};

/// Writes the page, with its numbers as lesson.json beside it. Larger images are brought to 32
/// pixels. Throws BadInput for data that cannot be read.
void write_lesson(const LessonOptions& options, const device::DeviceChoice& device);

}  // namespace vae_dist::lesson
