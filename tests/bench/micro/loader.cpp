// Batches of 64 images of 64x64x3 with their noise, as training takes them from the loader, whose
// thread prepares them ahead: from memory, and streamed from a gzip file (page cache warm) with one
// reader thread. items: images.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "base/text.hpp"
#include "data/chunk_ring.hpp"
#include "data/prefetching_loader.hpp"
#include "synthetic/shapes.hpp"

namespace vae_dist::bench {
namespace {

constexpr std::int64_t kImages = 1024, kBatch = 64, kWindow = 4, kAhead = 3;

// A file of 1024 of the built-in shapes, made on first use.
class ImageFile {
 public:
  ImageFile()
      : path_(std::filesystem::temp_directory_path() /
              base::text("vae_dist_bench_micro_", ::getpid(), ".h5")) {
    synthetic::ShapesOptions options;
    options.count = kImages;
    synthetic::make_shapes(path_, options);
  }
  ~ImageFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  static data::SampleSource source() {
    static const ImageFile file;
    data::SampleSource source;
    source.files = {file.path_};
    source.datasets = {"imgs"};
    return source;
  }

 private:
  std::string path_;
};

data::BatchPlan batch_plan(std::int64_t window) {
  data::BatchPlan plan;
  plan.seed = 1;
  plan.global_batch = plan.count = kBatch;
  plan.noise_per_sample = 128;
  plan.window_chunks = window;
  return plan;
}

void take_batches(benchmark::State& state, data::PrefetchingLoader& loader) {
  for (std::int64_t i = 0; i <= kAhead; ++i)
    loader.next();  // batches that were prepared before the clock starts
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(loader.next().pixels.data());
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void from_memory(benchmark::State& state) {
  const data::SampleDataset images =
      data::SampleDataset::open(ImageFile::source(), std::numeric_limits<std::uint64_t>::max());
  data::PrefetchingLoader loader(images, batch_plan(0), {},
                                 {.ahead = kAhead, .threads = static_cast<int>(state.range(0))});
  take_batches(state, loader);
}

void streamed(benchmark::State& state) {
  const data::SampleDataset images = data::SampleDataset::open(ImageFile::source());
  const auto self = comm::make_self_communicator();
  data::ChunkRing::Options options;
  options.order = batch_plan(kWindow);
  data::PrefetchingLoader loader(
      images, batch_plan(kWindow), {},
      {kAhead, std::make_unique<data::ChunkRing>(images, options, *self, *self)});
  take_batches(state, loader);
}

// Measures the time to make a batch, without the loader's thread.
void made_at_once(benchmark::State& state) {
  const data::SampleDataset images =
      data::SampleDataset::open(ImageFile::source(), std::numeric_limits<std::uint64_t>::max());
  const data::BatchPlan plan = batch_plan(0);
  std::int64_t step = 0;
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(
        data::make_batch(images, plan, 0, step++ % (kImages / kBatch)).pixels.data());
  state.SetItemsProcessed(state.iterations() * kBatch);
}

// Real time, because another thread does the work.
BENCHMARK(from_memory)->Name("loader/memory")->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(streamed)->Name("loader/streamed")->UseRealTime();
BENCHMARK(made_at_once)->Name("loader/batch_without_thread");

}  // namespace
}  // namespace vae_dist::bench
