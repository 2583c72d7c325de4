#include "datasets/verify.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "data/sample_dataset.hpp"
#include "datasets/chunk_boxes.hpp"
#include "datasets/stored_file.hpp"
#include "hdf5/file.hpp"

namespace vae_dist::datasets {
namespace {

struct ReadBox {
  std::vector<std::int64_t> first, count;
  Numbers numbers;
  std::optional<std::string> damage;
};

std::string box_name(const StoredDataset& dataset, const ReadBox& box) {
  if (box.first.empty()) return "the value";
  if (dataset.chunk().empty())
    return base::text("rows ", box.first[0], " to ", box.first[0] + box.count[0]);
  return "chunk at " + hdf5::shape_text(box.first);
}

// Reads the boxes of one dataset. Bypasses the library and its lock for chunks whose filters are
// known, and lets the library read everything else.
class BoxReader {
 public:
  BoxReader(const hdf5::Hdf5Dataset& dataset, const StoredDataset& stored)
      : dataset_(dataset),
        stored_(stored),
        decodes_(dataset.number() && dataset.storage() == hdf5::StorageKind::chunked &&
                 hdf5::can_undo(dataset.pipeline())) {}

  // Thread-safe if each thread passes its own buffers.
  void look_at(ReadBox& box, hdf5::ChunkDecoder& decoder, hdf5::StoredChunk& chunk,
               std::vector<std::byte>& values) const {
    try {
      if (decodes_ && fetch(box, chunk)) {
        values.resize(element_count(dataset_.chunk()) * dataset_.number()->bytes);
        decoder.decode(dataset_.pipeline(), chunk.filter_mask, chunk.bytes, values);
        for_each_run(dataset_.chunk(), box.count, [&](std::int64_t place, std::int64_t count) {
          const std::size_t bytes = dataset_.number()->bytes;
          box.numbers.add(
              numbers_of(*dataset_.number(),
                         std::span(values).subspan(static_cast<std::size_t>(place) * bytes,
                                                   static_cast<std::size_t>(count) * bytes)));
        });
      } else if (dataset_.number() && !box.first.empty()) {
        std::vector<std::uint8_t> bytes(element_count(box.count) * dataset_.number()->bytes);
        stored_.read(box.first, box.count, bytes);
        box.numbers = numbers_of(*dataset_.number(), std::as_bytes(std::span(bytes)));
      } else {
        box.numbers = stored_.look_at(box.first, box.count);
      }
    } catch (const hdf5::DamagedChunk& damage) {
      box.damage = damage.what();
    } catch (const base::BadInput& error) {
      box.damage = error.what();
    }
  }

 private:
  // Reads the raw chunk. Returns false if it does not exist or cannot be read; the caller then
  // reads through the library, which explains the error.
  bool fetch(const ReadBox& box, hdf5::StoredChunk& chunk) const {
    try {
      dataset_.read_chunk(box.first, chunk);
      return !chunk.bytes.empty();
    } catch (const base::Failure&) {
      return false;
    }
  }

  const hdf5::Hdf5Dataset& dataset_;
  const StoredDataset& stored_;
  bool decodes_;
};

VerifiedDataset verify_dataset(const hdf5::Hdf5Dataset& dataset, const StoredDataset& stored,
                               std::size_t threads, const std::function<void(std::size_t)>& done) {
  dataset.check_filters();  // a missing filter is not damage
  VerifiedDataset out{.path = stored.path(),
                      .type = dataset.type_name(),
                      .checksum = stored.checksum(),
                      .shape = stored.shape(),
                      .image_shaped = stored.shape().size() >= 3,
                      .chunks = 0,
                      .numbers = {},
                      .damage = {},
                      .first_not_finite = {},
                      .unreadable = {},
                      .first_out_of_range = {}};
  const BoxReader reader(dataset, stored);
  base::OrderedTasks<std::vector<ReadBox>> tasks(threads);
  const auto take = [&] {
    const std::vector<ReadBox> boxes = tasks.next();
    for (const ReadBox& box : boxes) {
      ++out.chunks;
      if (box.damage) out.damage.push_back(base::text(box_name(stored, box), ": ", *box.damage));
      if (box.numbers.not_a_number + box.numbers.infinite > 0 && out.first_not_finite.empty())
        out.first_not_finite = box_name(stored, box);
      out.numbers.add(box.numbers);
    }
    done(boxes.size());
  };
  // Small chunks share a task, because each task starts a thread.
  constexpr std::size_t kTaskBytes = 4 << 20;
  std::vector<ReadBox> together;
  std::size_t bytes = 0;
  const auto start = [&] {
    if (tasks.full()) take();
    tasks.start([&reader, boxes = std::exchange(together, {})]() mutable {
      hdf5::ChunkDecoder decoder;
      hdf5::StoredChunk chunk;
      std::vector<std::byte> values;
      for (ReadBox& box : boxes) reader.look_at(box, decoder, chunk, values);
      return std::move(boxes);
    });
    bytes = 0;
  };
  for_each_chunk(
      stored, [&](const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count) {
        together.push_back({.first = first, .count = count, .numbers = {}, .damage = {}});
        bytes += element_count(count) * stored.element_bytes();
        if (bytes >= kTaskBytes) start();
      });
  if (!together.empty()) start();
  while (!tasks.empty()) take();
  return out;
}

// Returns the error that training would report for the first value that the scale does not bring to
// [0, 1]. Returns "" if there is none, or if training could not read the dataset as images.
std::string first_out_of_range(const std::string& path, const std::string& dataset,
                               const Numbers& numbers) {
  data::SampleSource source;
  source.files = {path};
  source.datasets = {dataset};
  try {
    const data::SampleDataset images = data::SampleDataset::open(source);
    images.scale();
    const arrays::ValueLimits& limits = images.rows().limits();
    if (limits.allows({static_cast<float>(numbers.least), static_cast<float>(numbers.greatest)}) &&
        !limits.missing)
      return "";
    std::vector<std::uint8_t> image(images.image_bytes());
    for (std::int64_t row = 0; row < images.size(); ++row) images.read(row, image);
  } catch (const base::BadInput&) {
    return "";
  } catch (const base::Failure& error) {
    return error.what();
  }
  return "";
}

}  // namespace

std::vector<VerifiedDataset> verify(const std::string& path, int threads) {
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(path);
  const StoredFile stored = StoredFile::open(path);
  const std::vector<std::string> paths = file.dataset_paths();
  std::int64_t all = 0, done = 0;
  for (const std::string& each : paths) all += count_chunks(stored.dataset(each));
  base::ProgressBar progress("chunks", all);
  std::vector<VerifiedDataset> out;
  for (const std::string& each : paths) {
    try {
      const hdf5::Hdf5Dataset dataset = file.dataset(each);
      out.push_back(verify_dataset(
          dataset, stored.dataset(each), base::thread_count(threads),
          [&](std::size_t boxes) { progress.update(done += static_cast<std::int64_t>(boxes)); }));
      if (arrays::is_image_shaped(dataset.shape()) && dataset.number() &&
          out.back().damage.empty() && out.back().first_not_finite.empty())
        out.back().first_out_of_range = first_out_of_range(path, each, out.back().numbers);
    } catch (const base::BadInput& error) {
      out.push_back({.path = each,
                     .type = {},
                     .checksum = {},
                     .shape = {},
                     .numbers = {},
                     .damage = {},
                     .first_not_finite = {},
                     .unreadable = error.what(),
                     .first_out_of_range = {}});
    }
  }
  return out;
}

}  // namespace vae_dist::datasets
