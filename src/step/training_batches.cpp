#include "step/training_batches.hpp"

#include "device/queue_copy.hpp"
#include "step/open_data.hpp"

namespace vae_dist::step {
namespace {

data::BatchPlan batch_plan(const BatchSource& source) {
  data::BatchPlan plan;
  plan.seed = static_cast<std::uint64_t>(source.config.run.seed);
  plan.global_batch = source.plan.global_batch;
  plan.first = source.plan.first_sample();
  plan.count = source.plan.samples_per_rank();
  plan.noise_per_sample = source.noise_per_sample;
  plan.horizontal_flip = source.config.data.horizontal_flip;
  plan.flip_on_device = !source.device.is_cpu();
  plan.window_chunks = *source.config.data.shuffle_window_chunks;
  return plan;
}

std::unique_ptr<data::ChunkRing> chunk_ring(const BatchSource& source, std::int64_t epoch,
                                            std::int64_t step) {
  const config::DataConfig& data = source.config.data;
  if (source.train.in_memory() || *data.shuffle_window_chunks == 0) return nullptr;
  data::ChunkRing::Options options;
  options.seed = static_cast<std::uint64_t>(source.config.run.seed);
  options.window_chunks = *data.shuffle_window_chunks;
  options.samples_at_once = source.plan.global_batch;
  options.threads = reader_threads(data, source.node.size());
  options.first_epoch = epoch;
  options.first_position = step * source.plan.global_batch;
  options.patience = base::Seconds(source.config.distributed.timeout_s);
  return std::make_unique<data::ChunkRing>(source.train, options, source.node, source.all_ranks);
}

// A GPU finishes a batch faster than one host thread makes the next one. On the CPU, the cores are
// needed for the model.
int maker_threads(const BatchSource& source) {
  return source.device.is_cpu()
             ? 1
             : static_cast<int>(reader_threads(source.config.data, source.node.size()));
}

}  // namespace

data::BatchMemory batch_memory_for(c10::Device device) {
  if (!device.is_cuda()) return data::plain_batch_memory();
  return [device](std::size_t bytes) {
    const std::shared_ptr<std::byte> memory = device::pinned_memory(bytes, device);
    return data::MemoryBlock{memory.get(), memory};
  };
}

std::unique_ptr<data::PrefetchingLoader> training_batches(const BatchSource& source,
                                                          std::int64_t epoch, std::int64_t step) {
  return std::make_unique<data::PrefetchingLoader>(
      source.train, batch_plan(source), data::LoaderStart{epoch, step},
      data::LoaderOptions{source.config.data.prefetch_batches, chunk_ring(source, epoch, step),
                          batch_memory_for(source.device), maker_threads(source)});
}

}  // namespace vae_dist::step
