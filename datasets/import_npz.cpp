#include "datasets/import_npz.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/progress_bar.hpp"
#include "datasets/chunk_writer.hpp"
#include "datasets/npy_array.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

namespace vae_dist::datasets {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) out += base::text(i ? ", " : "", shape[i]);
  return out + ")";
}

void check_pictures(const NpyArray& array) {
  const std::vector<std::int64_t>& shape = array.header().shape;
  if (shape.size() != 3 && shape.size() != 4)
    throw base::BadInput(base::text(array.where(), " has shape ", shape_text(shape),
                                    ": expected (N, H, W), (N, H, W, C) or (N, C, H, W)"));
  if (array.header().values() == 0)
    throw base::BadInput(
        base::text(array.where(), " has shape ", shape_text(shape), ": it holds no pictures"));
  constexpr std::int64_t kLargestPicture = 1 << 28;
  if (array.row_values() > kLargestPicture)
    throw base::BadInput(
        base::text(array.where(), " has shape ", shape_text(shape), ": no picture is that large"));
}

NpyTarget picture_target(const NpyHeader& header) {
  return header.kind == 'f' ? NpyTarget::float32 : NpyTarget::uint8;
}

NpyTarget number_target(const NpyHeader& header) {
  if (header.kind == 'f') return header.item_bytes == 8 ? NpyTarget::float64 : NpyTarget::float32;
  return header.kind == 'b' || (header.kind == 'u' && header.item_bytes == 1) ? NpyTarget::uint8
                                                                              : NpyTarget::int64;
}

hdf5::ElementType element_type(NpyTarget target) {
  switch (target) {
    case NpyTarget::uint8:
      return hdf5::ElementType::uint8;
    case NpyTarget::int64:
      return hdf5::ElementType::int64;
    case NpyTarget::float32:
      return hdf5::ElementType::float32;
    case NpyTarget::float64:
      return hdf5::ElementType::float64;
  }
  return hdf5::ElementType::other;
}

class NpzImporter {
 public:
  NpzImporter(const std::string& path, const ImportNpzOptions& options)
      : archive_(path), options_(options) {}

  std::vector<ImportedArray> write(const std::string& key, const std::string& out) {
    NpyArray pictures(archive_, key);
    check_pictures(pictures);
    hdf5::PartialFile partial(out);
    hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());
    rows_ = pictures.rows();
    copy(pictures, picture_target(pictures.header()), file, "imgs");
    if (options_.labels) {
      NpyArray labels(archive_, *options_.labels);
      if (labels.rows() != rows_)
        throw base::BadInput(base::text(
            labels.where(), " has shape ", shape_text(labels.header().shape), ", but there are ",
            rows_, " pictures in '", key, "': labels need one row per picture"));
      copy(labels, number_target(labels.header()), file, "labels");
    }
    copy_factors(file, "latents_values", "latents/values");
    copy_factors(file, "latents_classes", "latents/classes");
    file.close();
    partial.commit();
    return std::move(done_);
  }

 private:
  void copy_factors(hdf5::Hdf5File& file, const std::string& key, const std::string& dataset) {
    if (!NpyArray::is_in(archive_, key)) return;
    NpyArray array(archive_, key);
    // Factors with another number of rows belong to other pictures.
    if (array.rows() != rows_ || array.header().values() == 0) return;
    hdf5::Hdf5Dataset factors = copy(array, number_target(array.header()), file, dataset);
    // dSprites keeps these six names in the member `metadata`, a Python pickle, which could execute
    // code when loaded.
    constexpr std::int64_t kDspritesPictures = 737280;
    if (rows_ == kDspritesPictures && array.row_values() == 6)
      factors.set_attribute(
          "names", std::vector<std::string>{"colour", "shape", "scale", "orientation", "x", "y"});
  }

  hdf5::Hdf5Dataset copy(NpyArray& from, NpyTarget target, hdf5::Hdf5File& file,
                         const std::string& name) {
    const auto element_bytes = static_cast<std::size_t>(bytes_of(target));
    const std::int64_t row_bytes = from.row_values() * static_cast<std::int64_t>(element_bytes);
    // Rows of factors are short, so their chunks have 64 KiB.
    const std::int64_t chunk_rows = name == "imgs"
                                        ? chunk_rows_for(row_bytes)
                                        : std::max<std::int64_t>(64, (1 << 16) / row_bytes);
    hdf5::Hdf5Dataset to =
        file.create_dataset(name, {.shape = from.header().shape,
                                   .type = element_type(target),
                                   .chunk_rows = chunk_rows,
                                   .deflate_level = options_.compression.deflate_level,
                                   .shuffle = options_.compression.shuffles(element_bytes)});
    ChunkWriter writer({.chunk_rows = to.chunk()[0],
                        .row_bytes = static_cast<std::size_t>(row_bytes),
                        .element_bytes = element_bytes},
                       options_.compression, base::thread_count(options_.threads),
                       [&](std::int64_t first, std::span<const std::uint8_t> chunk) {
                         to.write_chunk(first, chunk);
                       });
    const std::int64_t stored_row_bytes =
        from.row_values() *
        std::max<std::int64_t>(from.header().item_bytes, static_cast<std::int64_t>(element_bytes));
    const std::int64_t step =
        from.header().fortran_order
            ? std::max<std::int64_t>(1, options_.memory_bytes / stored_row_bytes)
            : chunk_rows;
    std::optional<base::ProgressBar> progress;  // for images only: factors are small
    if (name == "imgs") progress.emplace(name, rows_);
    for (std::int64_t first = 0; first < rows_; first += step) {
      const std::int64_t rows = std::min(step, rows_ - first);
      writer.append(from.read_rows(rows, target));
      if (progress) progress->update(first + rows);
    }
    from.expect_end();
    writer.finish();
    done_.push_back({name, to.type_name(), to.shape()});
    return to;
  }

  ZipArchive archive_;
  ImportNpzOptions options_;
  std::int64_t rows_ = 0;
  std::vector<ImportedArray> done_;
};

}  // namespace

std::vector<ImportedArray> import_npz(const std::string& file, const std::string& key,
                                      const std::string& out, const ImportNpzOptions& options) {
  return NpzImporter(file, options).write(key, out);
}

}  // namespace vae_dist::datasets
