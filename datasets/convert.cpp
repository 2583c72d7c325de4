#include "datasets/convert.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "data/sample_dataset.hpp"
#include "datasets/chunk_writer.hpp"
#include "datasets/stored_file.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"
#include "hdf5/stored_rows.hpp"

namespace vae_dist::datasets {
namespace {

// Splits a dataset into blocks of rows so that each chunk is decoded as rarely as memory allows. A
// block is one or more whole rows of chunks if they fit, otherwise an equal part of one.
struct Blocks {
  std::int64_t rows;     // per block
  std::int64_t aligned;  // no block crosses a multiple of this

  Blocks(const StoredDataset& from, std::int64_t memory_bytes) {
    constexpr std::int64_t kEnough = 16 << 20;  // larger blocks are no faster
    const auto row_bytes = static_cast<std::int64_t>(std::max<std::size_t>(from.row_bytes(), 1));
    const std::int64_t chunk_rows = from.chunk().empty() ? 1 : from.chunk()[0];
    const std::int64_t fitting = std::max<std::int64_t>(
        1, std::min(memory_bytes / row_bytes, std::max(chunk_rows, kEnough / row_bytes)));
    if (fitting >= chunk_rows) {
      rows = aligned = fitting / chunk_rows * chunk_rows;
    } else {
      const std::int64_t parts = (chunk_rows + fitting - 1) / fitting;
      rows = (chunk_rows + parts - 1) / parts;
      aligned = chunk_rows;
    }
  }

  std::int64_t end(std::int64_t first, std::int64_t all_rows) const {
    return std::min({first + rows, first / aligned * aligned + aligned, all_rows});
  }
  std::int64_t decodes() const { return (aligned + rows - 1) / rows; }
};

// Reads rows of one dataset as they are stored, bypassing the library and its lock if the filters
// are known. Thread-safe.
class RowReader {
 public:
  explicit RowReader(const StoredDataset& from)
      : from_(from), dataset_(hdf5::Hdf5File::open(from.file()).dataset(from.path())) {
    dataset_.check_filters();
    const bool known =
        dataset_.storage() == hdf5::StorageKind::contiguous ||
        (dataset_.storage() == hdf5::StorageKind::chunked && hdf5::can_undo(dataset_.pipeline()));
    if (dataset_.number() && known) decoded_.emplace(dataset_);
  }

  std::vector<std::uint8_t> read(std::int64_t first, std::int64_t end) const {
    std::vector<std::uint8_t> rows(static_cast<std::size_t>(end - first) * from_.row_bytes());
    const auto refuse = [&](const std::string& why) {
      return base::BadInput(base::text(from_.where(), ": cannot read rows ", first, " to ", end,
                                       ": ", why, "; data verify lists every damaged chunk"));
    };
    try {
      if (decoded_) {
        hdf5::DecodeBuffers buffers;
        decoded_->read(first, end - first, std::as_writable_bytes(std::span(rows)), buffers);
      } else {
        std::vector<std::int64_t> begin(from_.shape().size(), 0), count = from_.shape();
        begin[0] = first;
        count[0] = end - first;
        from_.read(begin, count, rows);
      }
    } catch (const base::BadInput& error) {
      throw refuse(error.what());
    } catch (const base::Failure& error) {
      // The message already begins with the place.
      const std::string why = error.what(), where = from_.where() + ": ";
      throw refuse(why.starts_with(where) ? why.substr(where.size()) : why);
    }
    return rows;
  }

 private:
  const StoredDataset& from_;
  hdf5::Hdf5Dataset dataset_;  // keeps the sources of a virtual dataset open
  std::optional<hdf5::StoredRows> decoded_;
};

class Converter {
 public:
  Converter(const std::vector<std::string>& in, const ConvertOptions& options) : options_(options) {
    if (in.empty()) throw base::BadInput("convert: no input file is given");
    for (const std::string& path : in) {
      files_.push_back(StoredFile::open(path));
      done_.stored_bytes_before += std::filesystem::file_size(path);
    }
    // SampleDataset finds the images among several datasets, as for training.
    data::SampleSource source;
    source.files = {in.front()};
    images_ =
        options.dataset ? *options.dataset : data::SampleDataset::open(source).stored().path();
    images_ = images_.substr(std::min(images_.find_first_not_of('/'), images_.size()));
    for (const std::string& path : in) check_images(hdf5::Hdf5File::open(path));
  }

  Converted write(const std::string& out) {
    for (const StoredFile& file : files_)
      for (const std::string& source : hdf5::source_files_of(file.path())) {
        std::error_code none;
        if (std::filesystem::equivalent(source, out, none))
          throw base::BadInput(
              base::text("cannot write ", out, ": it is an input file; choose another name"));
      }
    hdf5::PartialFile partial(out);
    StoredFile to = StoredFile::create(partial.path());
    for (const std::string& path : hdf5::Hdf5File::open(files_.front().path()).dataset_paths()) {
      const StoredDataset first = files_.front().dataset(path);
      if (path == images_)
        merge(path, to);
      else if (first.is_plain() && !first.shape().empty() &&
               (first.rows() == files_.front().dataset(images_).rows() ||
                (files_.size() == 1 && has_external_sources(path))))
        merge(path, to);
      else if (files_.size() == 1)
        to.copy(files_.front(), path);
      else
        done_.left_out.push_back(base::text(
            first.where(), " does not have one row per image, so files cannot be concatenated"));
    }
    if (files_.size() == 1)
      for (const std::string& name : to.copy_attributes(files_.front()))
        done_.left_out.push_back(base::text(files_.front().path(), ", attribute '", name,
                                            "' refers to another object of its file"));
    to.close();
    partial.commit();
    done_.bytes_after = std::filesystem::file_size(out);
    return std::move(done_);
  }

 private:
  // Returns whether a plain copy of the dataset would still take its values from other files:
  // external raw files, or the sources of a virtual dataset.
  bool has_external_sources(const std::string& path) const {
    return hdf5::Hdf5File::open(files_.front().path()).dataset(path).source_files().size() > 1;
  }

  void check_images(const hdf5::Hdf5File& file) const {
    const hdf5::Hdf5Dataset images = file.dataset(images_);  // its error lists the datasets
    const std::string where = base::text(file.path(), ", dataset '", images_, "'");
    if (images.shape().size() < 2)
      throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(images.shape()),
                                      ": expected [N, H, W], [N, H, W, C] or [N, C, H, W]"));
    for (const std::int64_t size : images.shape())
      if (size == 0)
        throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(images.shape()),
                                        ": it holds no images"));
  }

  // The datasets of all files that are concatenated, checked for compatibility with the first.
  std::vector<StoredDataset> parts_of(const std::string& path) const {
    std::vector<StoredDataset> out;
    for (const StoredFile& file : files_) {
      StoredDataset part = file.dataset(hdf5::Hdf5File::open(file.path()).dataset(path).path());
      const StoredDataset& first = out.empty() ? part : out.front();
      const std::int64_t images = file.dataset(images_).rows();
      if (files_.size() > 1 && part.rows() != images)
        throw base::BadInput(
            base::text(part.where(), " has ", part.rows(), " rows for ", images, " images"));
      if (!std::equal(part.shape().begin() + 1, part.shape().end(), first.shape().begin() + 1,
                      first.shape().end()))
        throw base::BadInput(base::text(part.where(), " has shape ", hdf5::shape_text(part.shape()),
                                        ", ", first.where(), " ", hdf5::shape_text(first.shape()),
                                        ": only the first axis may differ"));
      if (!part.same_type(first))
        throw base::BadInput(base::text(part.where(), " has another type than ", first.where()));
      check_names(file.path(), path);
      out.push_back(std::move(part));
    }
    return out;
  }

  // Class 3 must mean the same in all files.
  void check_names(const std::string& file, const std::string& path) const {
    const auto names = [&](const std::string& from) {
      return hdf5::Hdf5File::open(from).dataset(path).text_list_attribute("names");
    };
    if (names(file) != names(files_.front().path()))
      throw base::BadInput(base::text(file, ", dataset '", path, "' has other `names` than ",
                                      files_.front().path(), ": its numbers mean other classes"));
  }

  void merge(const std::string& path, StoredFile& to) {
    const std::vector<StoredDataset> parts = parts_of(path);
    if (!parts.front().is_plain())
      throw base::BadInput(
          base::text(parts.front().where(),
                     " holds variable-length text or references, which cannot be images"));
    std::int64_t rows = 0;
    for (const StoredDataset& part : parts) rows += part.rows();
    const auto row_bytes = static_cast<std::int64_t>(parts.front().row_bytes());
    const bool images = path == images_;
    const std::int64_t chunk_rows =
        !images ? std::max<std::int64_t>(64, (1 << 16) / std::max<std::int64_t>(row_bytes, 1))
        : options_.chunk_images > 0 ? options_.chunk_images
                                    : chunk_rows_for(row_bytes);
    if (chunk_rows > 0xffffffff / std::max<std::int64_t>(row_bytes, 1))
      throw base::BadInput(base::text(parts.front().where(), ": ", chunk_rows,
                                      " images exceed the 4 GiB that a chunk can hold"));
    StoredDataset dataset = to.create_like(parts.front(), rows, chunk_rows, options_.compression);
    for (const std::string& name : dataset.copy_attributes(parts.front()))
      done_.left_out.push_back(base::text(parts.front().where(), ", attribute '", name,
                                          "' refers to another object of its file"));
    ChunkWriter writer({.chunk_rows = dataset.chunk()[0],
                        .row_bytes = static_cast<std::size_t>(row_bytes),
                        .element_bytes = dataset.element_bytes()},
                       options_.compression, base::thread_count(options_.threads),
                       [&](std::int64_t first, std::span<const std::uint8_t> chunk) {
                         dataset.write_chunk(first, chunk);
                       });
    std::optional<base::ProgressBar> progress;  // for images only: factors are small
    if (images) progress.emplace(path, rows);
    std::int64_t done = 0;
    for (const StoredDataset& part : parts) {
      const Blocks blocks(part, options_.memory_bytes);
      if (images)
        done_.max_decodes_per_chunk = std::max(done_.max_decodes_per_chunk, blocks.decodes());
      const RowReader reader(part);
      // Decode as many blocks in parallel as memory allows, and write them in order.
      const std::int64_t fitting =
          options_.memory_bytes /
          std::max<std::int64_t>(1, std::min(blocks.rows, part.rows()) * row_bytes);
      base::OrderedTasks<std::vector<std::uint8_t>> reading(
          static_cast<std::size_t>(std::clamp<std::int64_t>(
              fitting, 1, static_cast<std::int64_t>(base::thread_count(options_.threads)))));
      const auto write_next = [&] {
        const std::vector<std::uint8_t> block = reading.next();
        writer.append(block);
        done += static_cast<std::int64_t>(block.size()) / row_bytes;
        if (progress) progress->update(done);
      };
      for (std::int64_t first = 0; first < part.rows();) {
        const std::int64_t end = blocks.end(first, part.rows());
        if (reading.full()) write_next();
        reading.start([&reader, first, end] { return reader.read(first, end); });
        first = end;
      }
      while (!reading.empty()) write_next();
    }
    writer.finish();
    if (images) done_.shape = dataset.shape(), done_.chunk = dataset.chunk();
  }

  ConvertOptions options_;
  std::vector<StoredFile> files_;
  std::string images_;
  Converted done_;
};

}  // namespace

Converted convert(const std::vector<std::string>& in, const std::string& out,
                  const ConvertOptions& options) {
  return Converter(in, options).write(out);
}

}  // namespace vae_dist::datasets
