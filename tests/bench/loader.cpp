// Measures how fast images are read, and the limits of that speed, in turns, in one run. See
// loader.py, which generates the files and compares with h5py.
//   bench_loader CHUNKED.h5 CONTIGUOUS.h5
// Prints the median images per second, one line each: name and number.
//   bench_loader array FILE.h5 THREADS
// Reads shuffled batches of a dataset of floats (16 MiB each, or all samples) by the loader with so
// many reader threads, and inflates and copies the same chunks by libdeflate alone in as many
// threads, in turns. Prints MB of decoded values a second of each, and their ratio: median, least
// and largest of the turns; "of_cpu": a second of processor time. Pin it to as many cores
// (taskset).
#include <fcntl.h>
#include <libdeflate.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

#include "base/clock.hpp"
#include "base/thread_team.hpp"
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

// By the clock, and of processor time in all threads, which other work on the machine hardly
// changes.
struct Spent {
  double seconds, cpu_seconds;
};

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Action>
Spent spent(Action action) {
  const base::Stopwatch watch;
  const double before = cpu_seconds();
  action();
  return {watch.elapsed().count(), cpu_seconds() - before};
}

template <typename Action>
double timed(Action action) {
  return spent(action).seconds;
}

void forget_pages(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  ::close(descriptor);
}

// Reads epochs of batches with a run's loader, without noise, after `before` other epochs. Returns
// what they took.
Spent read_epochs(const data::SampleDataset& dataset, std::int64_t window, std::int64_t threads,
                  std::int64_t batch, std::int64_t epochs, std::int64_t before = 1) {
  const auto self = comm::make_self_communicator();
  data::BatchPlan plan;
  plan.seed = 1;
  plan.global_batch = plan.count = batch;
  plan.window_chunks = window;
  std::unique_ptr<data::ChunkRing> ring;
  const bool direct = dataset.reads_windows();  // as training does it
  if (!dataset.in_memory() && !direct)
    ring = std::make_unique<data::ChunkRing>(
        dataset, data::ChunkRing::Options{.order = plan, .threads = threads}, *self, *self);
  data::PrefetchingLoader loader(
      dataset, plan, {},
      {3, std::move(ring), data::plain_batch_memory(), direct ? static_cast<int>(threads) : 1});
  const std::int64_t steps = dataset.size() / batch;
  for (std::int64_t step = 0; step < before * steps; ++step) loader.next();
  return spent([&] {
    for (std::int64_t step = 0; step < epochs * steps; ++step) loader.next();
  });
}

double read_epoch(const data::SampleDataset& dataset, std::int64_t window, std::int64_t threads,
                  std::int64_t before = 1) {
  return read_epochs(dataset, window, threads, kBatch, 1, before).seconds;
}

void decode_to_memory(const std::string& file, std::int64_t threads) {
  const auto self = comm::make_self_communicator();
  data::SampleDataset dataset = data::SampleDataset::open(source_of(file));
  dataset.cache(*self, *self, {.threads = threads});
}

// The upper limit: the stored chunks in memory, inflated by libdeflate alone, and the result copied
// once, to the place behind the last one in a batch of `batch_bytes`. A byte shuffle, if there is
// one, is not undone.
class Limit {
 public:
  Limit(const hdf5::Hdf5Dataset& dataset, std::size_t batch_bytes)
      : decoded_bytes_(dataset.number()->bytes), batch_bytes_(batch_bytes) {
    const auto &shape = dataset.shape(), &chunk = dataset.chunk();
    for (const std::int64_t size : chunk) decoded_bytes_ *= static_cast<std::size_t>(size);
    std::vector<std::int64_t> corner(chunk.size(), 0);
    while (corner[0] < shape[0]) {
      hdf5::StoredChunk stored;
      dataset.read_chunk(corner, stored);
      chunks_.push_back(std::move(stored.bytes));
      for (std::size_t axis = chunk.size(); axis-- > 0;) {
        corner[axis] += chunk[axis];
        if (corner[axis] < shape[axis] || axis == 0) break;
        corner[axis] = 0;
      }
    }
  }

  void run(int threads = 1) {
    base::ThreadTeam(threads).divide(
        static_cast<std::int64_t>(chunks_.size()), [&](std::int64_t first, std::int64_t last) {
          thread_local std::vector<std::byte> decoded, copied;
          decoded.resize(decoded_bytes_);
          copied.resize(std::max(batch_bytes_, decoded_bytes_));
          std::size_t at = 0;
          libdeflate_decompressor* const decompressor = libdeflate_alloc_decompressor();
          for (std::int64_t i = first; i < last; ++i) {
            const auto& chunk = chunks_[static_cast<std::size_t>(i)];
            if (libdeflate_zlib_decompress(decompressor, chunk.data(), chunk.size(), decoded.data(),
                                           decoded.size(), nullptr) != LIBDEFLATE_SUCCESS)
              std::abort();
            if (at + decoded.size() > copied.size()) at = 0;
            std::memcpy(copied.data() + at, decoded.data(), decoded.size());
            at += decoded.size();
          }
          libdeflate_free_decompressor(decompressor);
        });
  }

 private:
  std::size_t decoded_bytes_, batch_bytes_;
  std::vector<std::vector<std::byte>> chunks_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

int compare_array(const std::string& file, int threads) {
  constexpr std::int64_t kBatchBytes = std::int64_t{16} << 20, kWindowBytes = 4 * kBatchBytes;
  constexpr std::int64_t kEpochs = 3;
  data::SampleSource source;
  source.files = {file};
  source.datasets = {"x"};
  source.layout = hdf5::Hdf5File::open(file).dataset("x").shape().size() == 5 ? "NCDHW" : "NV";
  source.plain = true;
  const data::SampleDataset dataset = data::SampleDataset::open(source);
  const auto sample = static_cast<std::int64_t>(dataset.image_bytes());
  const std::int64_t batch = std::clamp<std::int64_t>(kBatchBytes / sample, 1, dataset.size()),
                     window = std::max<std::int64_t>(
                         2, kWindowBytes / (sample * dataset.chunks().regular_size())),
                     read = dataset.size() / batch * batch;
  Limit limit(dataset.stored(), static_cast<std::size_t>(batch * sample));
  std::map<std::string, std::vector<double>> rates;
  const auto record = [&](const std::string& name, std::int64_t samples, Spent spent) {
    const double megabytes = static_cast<double>(kEpochs * samples * sample) / 1e6;
    rates[name].push_back(megabytes / spent.seconds);
    rates[name + "_of_cpu"].push_back(megabytes / spent.cpu_seconds);
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    record("stream", read, read_epochs(dataset, window, threads, batch, kEpochs));
    record("alone", dataset.size(), spent([&] {
             for (int i = 0; i < kEpochs; ++i) limit.run(threads);
           }));
    for (const std::string what : {"", "_of_cpu"})
      rates["ratio" + what].push_back(rates["stream" + what].back() / rates["alone" + what].back());
  }
  for (const auto& [name, values] : rates) {
    const auto [least, largest] = std::minmax_element(values.begin(), values.end());
    std::printf("%s %.3f %.3f %.3f\n", name.c_str(), median(values), *least, *largest);
  }
  return 0;
}

}  // namespace

int main(int, char** argv) {
  if (std::string(argv[1]) == "array") return compare_array(argv[2], std::atoi(argv[3]));
  const std::string chunked = argv[1], contiguous = argv[2];
  const data::SampleDataset stream = data::SampleDataset::open(source_of(chunked)),
                            flat = data::SampleDataset::open(source_of(contiguous));
  const data::SampleDataset memory =
      data::SampleDataset::open(source_of(chunked), ~std::uint64_t{0});
  const auto images = static_cast<double>(stream.size());
  std::vector<std::uint8_t> whole(static_cast<std::size_t>(stream.size()) * stream.image_bytes()),
      copy(whole.size()), fresh;
  std::vector<std::byte> rows(whole.size());
  Limit limit(stream.stored(), kBatch * stream.image_bytes());
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
  for (const auto& [name, values] : rates) std::printf("%s %.0f\n", name.c_str(), median(values));
}
