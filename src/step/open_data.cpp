#include "step/open_data.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/clock.hpp"
#include "base/digits.hpp"
#include "base/error.hpp"
#include "base/free_memory.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/agreement.hpp"
#include "comm/node_memory.hpp"
#include "config/expand_paths.hpp"

namespace vae_dist::step {
namespace {

// The approximate size of the decoded chunks that are shuffled together when streaming.
constexpr std::int64_t kWindowBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLeastWindow = 2;

data::Binarize binarize(config::Binarize wanted) {
  switch (wanted) {
    case config::Binarize::none:
      return data::Binarize::none;
    case config::Binarize::threshold:
      return data::Binarize::threshold;
    case config::Binarize::dynamic:
      return data::Binarize::dynamic;
    case config::Binarize::fixed:
      return data::Binarize::fixed;
  }
  throw std::logic_error("unknown value of config::Binarize");
}

data::SampleSource image_source(const config::Config& config, const config::SourceConfig& source) {
  data::SampleSource out;
  out.files = source.file;
  out.dataset = source.dataset;
  out.layout = source.layout;
  out.scale = source.scale;
  out.rows = source.rows;
  out.split = source.split;
  out.geometry = {config.data.crop, config.data.resize};
  out.finish = {binarize(config.data.binarize),
                config.data.dequantize == config::Dequantize::uniform,
                static_cast<std::uint64_t>(config.run.seed)};
  return out;
}

// Runs `action` and rethrows its errors as BadInput. Before the first step every error counts as
// bad input, even a chunk that cannot be decoded, which HDF5 reports as a failed read.
template <typename Action>
auto as_bad_input(const std::string& key, const config::SourceConfig& source, Action action) {
  try {
    return action();
  } catch (const base::Error& error) {
    const std::filesystem::path file = source.file.front();
    const bool absent = !std::filesystem::exists(file);
    throw base::BadInput(base::text(
        key, ": ", error.what(),
        absent && config::is_pattern(file.string()) ? ". As a pattern it matches no file" : "",
        absent && file.is_relative()
            ? ". A relative path is resolved against the folder in which the program was started"
            : ""));
  }
}

bool on_any_rank(comm::CpuCommunicator& all_ranks, bool mine) {
  std::int64_t flags = mine ? 1 : 0;
  all_ranks.all_reduce_sum({&flags, 1, comm::DataType::int64});
  return flags > 0;
}

// Whether this node can hold all copies of the data, `bytes` in total, in memory. Throws BadInput
// if data.cache is memory but the data does not fit.
bool fits(config::Cache cache, std::uint64_t bytes) {
  if (cache == config::Cache::stream) return false;
  const std::uint64_t free = base::free_memory();
  if (cache == config::Cache::automatic) return bytes <= free / 2;
  if (bytes > free)
    throw base::BadInput(base::text("data.cache is memory, but the decoded images take ",
                                    base::format_bytes(static_cast<double>(bytes)), " and ",
                                    base::format_bytes(static_cast<double>(free)),
                                    " are free on this node. Set data.cache to stream."));
  return true;
}

// Returns the ranks of this node, or this rank alone if they cannot share memory. A collective on
// `node`.
std::unique_ptr<comm::CpuCommunicator> sharing_ranks(std::unique_ptr<comm::CpuCommunicator> node,
                                                     std::uint64_t bytes,
                                                     const std::string& host_name) {
  if (comm::can_share_memory(*node, static_cast<std::size_t>(bytes))) return node;
  if (node->rank() == 0)
    log::warn(base::text(
        "the ranks on ", host_name,
        " cannot share memory, neither through /proc nor through files in /dev/shm or the folder "
        "for temporary files (does each rank run in its own container?): each of the ",
        node->size(), " ranks decodes the images into its own memory"));
  return comm::make_self_communicator();
}

void decode_into_memory(data::SampleDataset& dataset, const std::string& key, RunData& data,
                        comm::CpuCommunicator& all_ranks, std::int64_t threads) {
  base::Stopwatch watch;
  base::Seconds last{0};
  const auto say = [&](double share) {
    constexpr base::Seconds kEvery{2};
    if (watch.elapsed() - last < kEvery) return;
    last = watch.elapsed();
    log::info(base::text(key, ": ", static_cast<int>(100 * share), " % of ",
                         base::format_bytes(static_cast<double>(dataset.memory_bytes())),
                         " decoded"));
  };
  dataset.cache(*data.node, all_ranks, {threads, say});
}

void warn_of_streaming(const data::SampleDataset& dataset, const config::Config& config) {
  const hdf5::StoredRows& stored = dataset.rows().stored(0);
  if (stored.chunks_per_block() > 1)
    log::warn(base::text(
        dataset.rows().where(), " is stored in chunks ", hdf5::shape_text(stored.dataset().chunk()),
        ": one image spans ", stored.chunks_per_block(), " of them, so streaming reads ",
        stored.block_rows(), " images (",
        base::format_bytes(static_cast<double>(stored.block_rows()) *
                           static_cast<double>(dataset.rows().image_bytes())),
        ") at a time. `vae_dist data convert` writes a file that streams faster."));
  if (*config.data.shuffle_window_chunks == 0 && !dataset.rows().reads_single_rows())
    log::warn(base::text(dataset.rows().where(),
                         " is streamed, but shuffled over all samples (data.shuffle_window_chunks "
                         "is 0, from the configuration or because this run began with the data in "
                         "memory): every image requires decoding a whole chunk, which is slow"));
}

// The guessed scale may be wrong for a few validation images that happen to be dark.
void check_same_meaning(const data::SampleDataset& train, const data::SampleDataset& validation) {
  if (train.scale() == validation.scale() ||
      (train.scale_is_given() && validation.scale_is_given()) ||
      train.stored().number() != validation.stored().number())
    return;
  throw base::BadInput(base::text(
      "the values of data.train and data.validation have different scales: ", train.description(),
      ", scale ", train.scale(), "; ", validation.description(), ", scale ", validation.scale(),
      ". A scale that is not given is guessed from the largest value of 64 images: set "
      "data.train.scale and data.validation.scale."));
}

}  // namespace

data::SampleDataset open_source(const config::Config& config, const config::SourceConfig& source,
                                const std::string& key) {
  return as_bad_input(key, source,
                      [&] { return data::SampleDataset::open(image_source(config, source)); });
}

std::int64_t reader_threads(const config::DataConfig& data, int ranks_of_node) {
  constexpr std::int64_t kMost = 4;
  if (data.reader_threads) return *data.reader_threads;
  return std::clamp<std::int64_t>(
      std::thread::hardware_concurrency() / static_cast<unsigned>(ranks_of_node), 1, kMost);
}

RunData open_run_data(config::Config& config, const comm::MpiWorld& world,
                      comm::CpuCommunicator& all_ranks) {
  std::optional<RunData> data;
  const config::SourceConfig &training = config.data.train, &validation = config.data.validation;
  bool streams = false;
  std::unique_ptr<comm::CpuCommunicator> node = world.make_node_communicator();
  comm::agree(all_ranks, [&] {
    data.emplace(RunData{open_source(config, training, "data.train"), std::nullopt, nullptr});
    if (!validation.file.empty()) {
      data->validation = open_source(config, validation, "data.validation");
      if (data->validation->shape() != data->train.shape())
        throw base::BadInput(
            base::text("the images of data.validation and data.train differ in shape: ",
                       data->validation->description(), " and ", data->train.description()));
    }
  });
  const std::uint64_t all_bytes =
      data->train.memory_bytes() + (data->validation ? data->validation->memory_bytes() : 0);
  const int ranks_of_node = node->size();
  const std::uint64_t free = base::free_memory();
  // The usual upper limit of a chunk ring's memory.
  const std::uint64_t ring_bytes = 4 * static_cast<std::uint64_t>(kWindowBytes);
  const bool may_stream =
      config.data.cache == config::Cache::stream || (free > 0 && all_bytes > free / 2);
  data->node = sharing_ranks(std::move(node), may_stream ? ring_bytes : all_bytes, world.host());
  comm::agree(all_ranks, [&] {
    streams = !fits(config.data.cache,
                    all_bytes * static_cast<std::uint64_t>(
                                    data->node->size() < ranks_of_node ? ranks_of_node : 1));
  });
  const bool memory = !on_any_rank(all_ranks, streams);
  if (memory) {
    const std::int64_t threads = reader_threads(config.data, world.local_size());
    decode_into_memory(data->train, "data.train", *data, all_ranks, threads);
    if (data->validation)
      decode_into_memory(*data->validation, "data.validation", *data, all_ranks, threads);
  } else if (config.data.cache == config::Cache::automatic) {
    log::info(base::text(
        "the decoded images (", base::format_bytes(static_cast<double>(data->train.memory_bytes())),
        ") do not fit into half of the free memory of every node, so they are streamed"));
  }
  comm::agree(all_ranks, [&] {
    as_bad_input("data.train", training,
                 [&] { return data->train.fingerprint(), data->train.scale(); });
    if (data->validation)
      as_bad_input("data.validation", validation, [&] { return data->validation->scale(); });
    if (data->validation) check_same_meaning(data->train, *data->validation);
  });
  if (validation.fraction)
    data->validation =
        data->train.hold_out(*validation.fraction, static_cast<std::uint64_t>(config.run.seed));

  auto& window = config.data.shuffle_window_chunks;
  if (!window) {
    const data::SampleChunks chunks = data->train.chunks();
    const auto chunk_bytes =
        static_cast<std::int64_t>(data->train.rows().image_bytes()) * chunks.regular_size();
    window = memory ? 0 : std::max(kLeastWindow, kWindowBytes / chunk_bytes);
  }
  if (all_ranks.rank() == 0) {
    for (const std::string& doubt : data->train.doubts()) log::warn(doubt);
    if (!validation.file.empty())
      for (const std::string& doubt : data->validation->doubts()) log::warn(doubt);
    if (!memory) warn_of_streaming(data->train, config);
  }
  return std::move(*data);
}

data::InputFormat input_format(const config::Config& config, const data::SampleDataset& dataset,
                               c10::Device device) {
  data::InputFormat format;
  format.shape = dataset.shape();
  format.layout = dataset.layout();
  format.pixels = dataset.type();
  format.scale = dataset.scale();
  format.low = config.data.range[0];
  format.high = config.data.range[1];
  format.channels_last = config.train.channels_last;
  format.device = device;
  format.type = config.train.precision == config::Precision::fp64 ? at::kDouble : at::kFloat;
  return format;
}

}  // namespace vae_dist::step
