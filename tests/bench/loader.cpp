// Measures how fast images are read, and the limits of that speed, in turns, in one run. See
// loader.py, which generates the files and compares with h5py.
//   bench_loader CHUNKED.h5 CONTIGUOUS.h5
// Prints the median images per second, one line each: name and number.
#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>

#include "base/clock.hpp"
#include "data/chunk_ring.hpp"
#include "data/prefetching_loader.hpp"

namespace {

using namespace vae_dist;

constexpr int kTurns = 7;
constexpr std::int64_t kBatch = 64;

data::SampleSource source_of(const std::string& file) {
  data::SampleSource source;
  source.files = {file};
  source.scale = 1.0 / 255;
  return source;
}

void forget_pages(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  ::close(descriptor);
}

// Reads an epoch of batches with a run's loader, without noise, after `before` other epochs.
// Returns its seconds.
double read_epoch(const data::SampleDataset& dataset, std::int64_t window, std::int64_t threads,
                  std::int64_t before = 1) {
  const auto self = comm::make_self_communicator();
  data::BatchPlan plan;
  plan.seed = 1;
  plan.global_batch = plan.count = kBatch;
  plan.window_chunks = window;
  std::unique_ptr<data::ChunkRing> ring;
  if (!dataset.in_memory())
    ring = std::make_unique<data::ChunkRing>(
        dataset, data::ChunkRing::Options{.order = plan, .threads = threads}, *self, *self);
  data::PrefetchingLoader loader(dataset, plan, {}, {3, std::move(ring)});
  const std::int64_t steps = dataset.size() / kBatch;
  for (std::int64_t step = 0; step < before * steps; ++step) loader.next();
  const base::Stopwatch watch;
  for (std::int64_t step = 0; step < steps; ++step) loader.next();
  return watch.elapsed().count();
}

template <typename Action>
double timed(Action action) {
  const base::Stopwatch watch;
  action();
  return watch.elapsed().count();
}

void decode_to_memory(const std::string& file, std::int64_t threads) {
  const auto self = comm::make_self_communicator();
  data::SampleDataset dataset = data::SampleDataset::open(source_of(file));
  dataset.cache(*self, *self, {.threads = threads});
}

// The upper limit: the stored chunks in memory, inflated by libdeflate alone, and the result copied
// once.
class Limit {
 public:
  explicit Limit(const hdf5::Hdf5Dataset& dataset) : rows_(dataset.chunk()[0]) {
    hdf5::StoredChunk chunk;
    for (std::int64_t row = 0; row < dataset.shape()[0]; row += rows_) {
      dataset.read_chunk(std::vector<std::int64_t>{row, 0, 0, 0}, chunk);
      chunks_.push_back(chunk.bytes);
    }
    decoded_.resize(static_cast<std::size_t>(rows_ * dataset.shape()[1] * dataset.shape()[2] *
                                             dataset.shape()[3]));
    copied_.resize(decoded_.size());
  }
  void run() {
    libdeflate_decompressor* const decompressor = libdeflate_alloc_decompressor();
    for (const auto& chunk : chunks_) {
      libdeflate_zlib_decompress(decompressor, chunk.data(), chunk.size(), decoded_.data(),
                                 decoded_.size(), nullptr);
      std::memcpy(copied_.data(), decoded_.data(), decoded_.size());
    }
    libdeflate_free_decompressor(decompressor);
  }

 private:
  std::int64_t rows_;
  std::vector<std::vector<std::byte>> chunks_;
  std::vector<std::byte> decoded_, copied_;
};

}  // namespace

int main(int, char** argv) {
  const std::string chunked = argv[1], contiguous = argv[2];
  const data::SampleDataset stream = data::SampleDataset::open(source_of(chunked)),
                            flat = data::SampleDataset::open(source_of(contiguous));
  const data::SampleDataset memory =
      data::SampleDataset::open(source_of(chunked), ~std::uint64_t{0});
  const auto images = static_cast<double>(stream.size());
  std::vector<std::uint8_t> whole(static_cast<std::size_t>(stream.size()) * stream.image_bytes()),
      copy(whole.size()), fresh;
  std::vector<std::byte> rows(whole.size());
  Limit limit(stream.stored());
  arrays::RowBuffers buffers;

  const std::vector<std::pair<const char*, std::function<double()>>> ways = {
      {"stream_1_thread", [&] { return read_epoch(stream, 85, 1); }},
      {"stream_2_threads", [&] { return read_epoch(stream, 85, 2); }},
      {"stream_first_epoch_1_thread", [&] { return timed([&] { read_epoch(stream, 85, 1, 0); }); }},
      {"decode_to_memory_1_thread", [&] { return timed([&] { decode_to_memory(chunked, 1); }); }},
      {"decode_to_memory_2_threads", [&] { return timed([&] { decode_to_memory(chunked, 2); }); }},
      {"decode_rows_1_thread",
       [&] { return timed([&] { stream.rows().read(0, stream.size(), rows, buffers); }); }},
      {"batches_from_memory", [&] { return read_epoch(memory, 0, 1); }},
      {"h5dread_whole",
       [&] {
         return timed([&] { stream.stored().read_rows(0, stream.size(), std::span(whole)); });
       }},
      {"h5dread_whole_into_new_memory",
       [&] {
         return timed([&] {
           stream.stored().read_rows(0, stream.size(),
                                     std::span(fresh = std::vector<std::uint8_t>(whole.size())));
         });
       }},
      {"libdeflate_and_copy", [&] { return timed([&] { limit.run(); }); }},
      {"contiguous_rows_1_thread",
       [&] { return timed([&] { flat.rows().read(0, flat.size(), rows, buffers); }); }},
      {"contiguous_stream_1_thread", [&] { return read_epoch(flat, 128, 1); }},
      {"memcpy_whole",
       [&] { return timed([&] { std::memcpy(copy.data(), whole.data(), whole.size()); }); }},
  };
  std::map<std::string, std::vector<double>> rates;
  for (int turn = 0; turn < kTurns; ++turn)
    for (const auto& [name, way] : ways) rates[name].push_back(images / way());
  for (int turn = 0; turn < 3; ++turn) {
    forget_pages(chunked);
    rates["cold_decode_to_memory_1_thread"].push_back(images /
                                                      timed([&] { decode_to_memory(chunked, 1); }));
    forget_pages(chunked);
    rates["cold_stream_first_epoch_1_thread"].push_back(
        images / timed([&] { read_epoch(stream, 85, 1, 0); }));
  }
  for (auto& [name, values] : rates) {
    std::nth_element(values.begin(),
                     values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    std::printf("%s %.0f\n", name.c_str(), values[values.size() / 2]);
  }
}
