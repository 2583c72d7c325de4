#include "datasets/idx.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"
#include "datasets/idx_reader.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

namespace vae_dist::datasets {
namespace {

void copy_rows(IdxReader& from, hdf5::Hdf5File& file, const std::string& dataset) {
  constexpr std::int64_t kChunkBytes = std::int64_t{256} * 1024;
  const std::int64_t rows = from.shape()[0];
  const std::int64_t block =
      std::min(rows, std::max(std::int64_t{1}, kChunkBytes / from.row_bytes()));
  hdf5::Hdf5Dataset to = file.create_dataset(
      dataset, {.shape = from.shape(), .chunk_rows = block, .deflate_level = 4});
  for (std::int64_t first = 0; first < rows; first += block) {
    const std::int64_t count = std::min(block, rows - first);
    to.write_rows(first, count, from.read_rows(count));
  }
  from.expect_end();
}

}  // namespace

std::vector<std::int64_t> import_idx(const std::string& images,
                                     const std::optional<std::string>& labels,
                                     const std::string& out) {
  IdxReader image_reader(images, 3, "images have");
  std::optional<IdxReader> label_reader;
  if (labels) {
    label_reader.emplace(*labels, 1, "labels have");
    if (label_reader->shape()[0] != image_reader.shape()[0])
      throw base::BadInput(base::text(images, " holds ", image_reader.shape()[0], " images, but ",
                                      *labels, " holds ", label_reader->shape()[0],
                                      " labels; give two files of the same set"));
  }
  hdf5::PartialFile partial(out);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());
  copy_rows(image_reader, file, "imgs");
  if (label_reader) copy_rows(*label_reader, file, "labels");
  file.close();
  partial.commit();
  return image_reader.shape();
}

}  // namespace vae_dist::datasets
