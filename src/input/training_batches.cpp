#include "input/training_batches.hpp"

#include "data/chunk_ring.hpp"
#include "data/section_stream.hpp"
#include "device/queue_copy.hpp"
#include "input/open_data.hpp"

namespace vae_dist::input {
namespace {

data::BatchPlan batch_plan(const BatchSource& source) {
  data::BatchPlan plan{order_plan(source.config, source.plan)};
  plan.first = source.plan.first_sample();
  plan.count = source.plan.samples_per_rank();
  plan.noise_per_sample = source.noise_per_sample;
  plan.flips = flips(source.config.data);
  plan.flip_on_device = !source.device.is_cpu();
  return plan;
}

std::shared_ptr<data::DecodedSource> decoded_source(const BatchSource& source, std::int64_t epoch,
                                                    std::int64_t step) {
  if (source.train.sections()) return source.train.sections();
  if (source.train.reads_windows()) return nullptr;
  const data::OrderPlan order = order_plan(source.config, source.plan);
  if (source.train.in_memory() || order.window_chunks == 0) return nullptr;
  const std::int64_t threads = reader_threads(source.config.data, source.node.size());
  if (order.sections > 0)
    return std::make_shared<data::SectionStream>(
        source.train,
        data::SectionStream::Options{order, source.plan.own_replicas(), threads, epoch, step});
  data::ChunkRing::Options options;
  options.order = order;
  options.threads = threads;
  options.first_epoch = epoch;
  options.first_position = step * source.plan.global_batch;
  options.patience = base::Seconds(source.config.distributed.timeout_s);
  return std::make_shared<data::ChunkRing>(source.train, options, source.node, source.all_ranks);
}

// A GPU finishes a batch faster than one host thread makes the next one. On the CPU, the cores are
// needed for the model.
int maker_threads(const BatchSource& source) {
  // Where samples, or windows of them, are read as the batch is made, reading takes the time.
  const bool reads = source.train.reads_windows() && !source.train.in_memory();
  return source.device.is_cpu() && !reads
             ? 1
             : static_cast<int>(reader_threads(source.config.data, source.node.size()));
}

}  // namespace

data::OrderPlan order_plan(const config::Config& config, const ReplicaPlan& plan) {
  data::OrderPlan order;
  order.seed = static_cast<std::uint64_t>(config.run.seed);
  order.global_batch = plan.global_batch;
  order.window_chunks = *config.data.shuffle_window_chunks;
  if (config.data.order == config::Order::sections) order.sections = plan.replicas;
  order.fixed_sections = config.data.sections == config::Sections::fixed;
  return order;
}

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
      data::LoaderOptions{source.config.data.prefetch_batches, decoded_source(source, epoch, step),
                          batch_memory_for(source.device), maker_threads(source)});
}

}  // namespace vae_dist::input
