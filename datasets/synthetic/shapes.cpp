#include "synthetic/shapes.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "datasets/chunk_encoder.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"
#include "synthetic/draw_shape.hpp"

namespace vae_dist::synthetic {
namespace {

constexpr std::int64_t kChunkRows = 64;
constexpr std::int64_t kFactorChunkRows = 64 * kChunkRows;  // rows of factors are short
constexpr int kDeflateLevel = 4;

void check_shapes_options(const ShapesOptions& options) {
  const auto refuse = [](const auto&... parts) {
    throw base::BadInput(base::text("make-shapes: ", parts...));
  };
  if (options.count < 1) refuse("count is ", options.count, ": at least one picture is needed");
  if (options.size < 8 || options.size > 1024)
    refuse("size is ", options.size, ": give 8 to 1024 pixels");
  if (options.channels != 1 && options.channels != 3)
    refuse("channels is ", options.channels, ": give 1 (white on black) or 3 (colour)");
  if (options.threads < 0)
    refuse("threads is ", options.threads, ": give 0 for one per core, or a number");
}

ShapeClasses draw_classes(base::PhiloxKey key, std::int64_t sample) {
  std::array<float, kShapeFactors> uniform;
  base::fill_uniform(key, static_cast<std::uint64_t>(sample), 0, uniform);
  ShapeClasses classes;
  for (std::size_t f = 0; f < kShapeFactors; ++f)
    classes[f] = static_cast<std::int64_t>(static_cast<double>(uniform[f]) *
                                           static_cast<double>(kFactorClasses[f]));
  return classes;
}

struct Chunk {
  std::int64_t first = 0, rows = 0;
  std::vector<std::uint8_t> images;  // compressed
  std::vector<double> values;
  std::vector<std::int64_t> classes;
};

Chunk make_chunk(const ShapesOptions& options, std::int64_t first) {
  // Purpose::prior, because the factors are the true latent variables of these pictures.
  const base::PhiloxKey key =
      base::random_key(static_cast<std::uint64_t>(options.seed), base::Purpose::prior, 0);
  const std::size_t factors = options.channels == 3 ? kShapeFactors : kShapeFactors - 1;
  const auto bytes = static_cast<std::size_t>(options.size) *
                     static_cast<std::size_t>(options.size * options.channels);
  const std::int64_t stored_rows =
      std::min(kChunkRows, options.count);  // all chunks in the file have the same size
  Chunk chunk{.first = first,
              .rows = std::min(kChunkRows, options.count - first),
              .images = {},
              .values = {},
              .classes = {}};
  std::vector<std::uint8_t> pixels(bytes * static_cast<std::size_t>(stored_rows), 0);
  for (std::int64_t row = 0; row < chunk.rows; ++row) {
    const ShapeClasses classes = draw_classes(key, first + row);
    draw_shape(classes, options.size, options.channels,
               std::span(pixels).subspan(bytes * static_cast<std::size_t>(row), bytes));
    for (std::size_t f = 0; f < factors; ++f) {
      chunk.classes.push_back(classes[f]);
      chunk.values.push_back(factor_value(static_cast<ShapeFactor>(f), classes[f]));
    }
  }
  chunk.images = datasets::encode_chunk(pixels, 1, {.deflate_level = kDeflateLevel});
  return chunk;
}

}  // namespace

void make_shapes(const std::string& path, const ShapesOptions& options) {
  check_shapes_options(options);
  hdf5::PartialFile partial(path);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());

  std::vector<std::int64_t> image_shape = {options.count, options.size, options.size};
  std::vector<std::string> names(kFactorNames.begin(), kFactorNames.end());
  if (options.channels == 3)
    image_shape.push_back(3);
  else
    names.pop_back();  // no colour
  const auto factors = static_cast<std::int64_t>(names.size());

  hdf5::Hdf5Dataset images = file.create_dataset(
      "imgs", {.shape = image_shape, .chunk_rows = kChunkRows, .deflate_level = kDeflateLevel});
  hdf5::DatasetLayout layout{.shape = {options.count, factors},
                             .type = hdf5::ElementType::float64,
                             .chunk_rows = kFactorChunkRows,
                             .deflate_level = kDeflateLevel,
                             .shuffle = true};
  hdf5::Hdf5Dataset values = file.create_dataset("latents/values", layout);
  layout.type = hdf5::ElementType::int64;
  hdf5::Hdf5Dataset classes = file.create_dataset("latents/classes", layout);
  values.set_attribute("names", names);
  classes.set_attribute("names", names);

  // A few chunks are drawn and compressed ahead but written in order, so the file is the same for
  // every number of threads.
  base::ProgressBar progress("shapes", options.count);
  base::OrderedTasks<Chunk> ahead(base::thread_count(options.threads));
  for (std::int64_t next = 0, written = 0; written < options.count;) {
    for (; next < options.count && !ahead.full(); next += kChunkRows)
      ahead.start([&options, next] { return make_chunk(options, next); });
    const Chunk chunk = ahead.next();
    images.write_chunk(chunk.first, chunk.images);
    values.write_rows(chunk.first, chunk.rows, chunk.values);
    classes.write_rows(chunk.first, chunk.rows, chunk.classes);
    written += chunk.rows;
    progress.update(written);
  }
  file.close();
  partial.commit();
}

}  // namespace vae_dist::synthetic
