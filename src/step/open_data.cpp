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

// About so many bytes of decoded chunks are shuffled together when streaming.
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
  throw std::logic_error("a way to binarize that nobody knows");
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

// Runs `action`; what goes wrong before the first step is bad input: a chunk that cannot be decoded
// too, which is a failed read to HDF5.
template <typename Action>
auto as_bad_input(const std::string& key, const config::SourceConfig& source, Action action) {
  try {
    return action();
  } catch (const base::Error& error) {
    const std::filesystem::path file = source.file.front();
    const bool absent = !std::filesystem::exists(file);
    throw base::BadInput(base::text(
        key, ": ", error.what(),
        absent && config::is_pattern(file.string()) ? ". As a pattern it matches no file." : "",
        absent && file.is_relative()
            ? ". A relative path begins at the folder that the program was started in."
            : ""));
  }
}

bool on_any_rank(comm::HostCommunicator& host, bool mine) {
  std::int64_t flags = mine ? 1 : 0;
  host.all_reduce_sum({&flags, 1, comm::DataType::int64});
  return flags > 0;
}

// Whether all nodes keep the data in memory, of `bytes` in all copies. Throws BadInput where memory
// is asked for and cannot be had.
bool fits(config::Cache cache, std::uint64_t bytes) {
  if (cache == config::Cache::stream) return false;
  const std::uint64_t free = base::free_memory();
  if (cache == config::Cache::automatic) return bytes <= free / 2;
  if (bytes > free)
    throw base::BadInput(base::text("data.cache is memory, but the decoded images take ",
                                    base::format_bytes(static_cast<double>(bytes)), " and ",
                                    base::format_bytes(static_cast<double>(free)),
                                    " are free on this node: set data.cache to stream"));
  return true;
}

// The ranks of this node, or this rank alone where they cannot share memory. A collective of
// `node`.
std::unique_ptr<comm::HostCommunicator> sharing_ranks(std::unique_ptr<comm::HostCommunicator> node,
                                                      std::uint64_t bytes,
                                                      const std::string& host) {
  if (comm::can_share_memory(*node, static_cast<std::size_t>(bytes))) return node;
  if (node->rank() == 0)
    log::warn(
        base::text("the ranks on ", host,
                   " cannot share memory (each in a container of its own?), neither through /proc "
                   "nor by files in /dev/shm and the folder for temporary files: each of the ",
                   node->size(), " decodes the images for itself, into memory of its own"));
  return comm::make_self_communicator();
}

void decode_into_memory(data::SampleDataset& dataset, const std::string& key, RunData& data,
                        comm::HostCommunicator& host, std::int64_t threads) {
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
  dataset.cache(*data.node, host, {threads, say});
}

void warn_of_streaming(const data::SampleDataset& dataset, const config::Config& config) {
  const hdf5::StoredRows& stored = dataset.rows().stored(0);
  if (stored.chunks_per_band() > 1)
    log::warn(base::text(dataset.rows().place(), " is stored in chunks ",
                         hdf5::shape_text(stored.dataset().chunk()), ": one image lies in ",
                         stored.chunks_per_band(), " of them, and streaming reads ",
                         stored.band_rows(), " images (",
                         base::format_bytes(static_cast<double>(stored.band_rows()) *
                                            static_cast<double>(dataset.rows().image_bytes())),
                         ") at a time. `vae_dist data convert` writes a file that streams well."));
  if (*config.data.shuffle_window_chunks == 0 && !dataset.rows().reads_single_rows())
    log::warn(base::text(dataset.rows().place(),
                         " is streamed in an order over all samples (data.shuffle_window_chunks is "
                         "0, as this run began in memory or by the configuration): a chunk is "
                         "decoded for every image, which is slow"));
}

// Few validation images that happen to be dark are no black and white ones.
void check_same_meaning(const data::SampleDataset& train, const data::SampleDataset& validation) {
  if (train.scale() == validation.scale() ||
      (train.scale_is_given() && validation.scale_is_given()) ||
      train.stored().number() != validation.stored().number())
    return;
  throw base::BadInput(base::text(
      "the values of data.validation would mean something else than those of data.train: ",
      train.description(), ", scale ", train.scale(), "; ", validation.description(), ", scale ",
      validation.scale(),
      ". What is not given is found by the largest value of 64 images: set data.train.scale and "
      "data.validation.scale"));
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
                      comm::HostCommunicator& host) {
  std::optional<RunData> data;
  const config::SourceConfig &training = config.data.train, &validation = config.data.validation;
  bool streams = false;
  std::unique_ptr<comm::HostCommunicator> node = world.make_node_communicator();
  comm::agree(host, [&] {
    data.emplace(RunData{open_source(config, training, "data.train"), std::nullopt, nullptr});
    if (!validation.file.empty()) {
      data->validation = open_source(config, validation, "data.validation");
      if (data->validation->shape() != data->train.shape())
        throw base::BadInput(base::text(
            "data.validation has other images than data.train: ", data->validation->description(),
            " and ", data->train.description()));
    }
  });
  const std::uint64_t all_bytes =
      data->train.memory_bytes() + (data->validation ? data->validation->memory_bytes() : 0);
  const int ranks_of_node = node->size();
  const std::uint64_t free = base::free_memory();
  // What a ring of chunks needs at most, as a rule.
  const std::uint64_t ring_bytes = 4 * static_cast<std::uint64_t>(kWindowBytes);
  const bool may_stream =
      config.data.cache == config::Cache::stream || (free > 0 && all_bytes > free / 2);
  data->node = sharing_ranks(std::move(node), may_stream ? ring_bytes : all_bytes, world.host());
  comm::agree(host, [&] {
    streams = !fits(config.data.cache,
                    all_bytes * static_cast<std::uint64_t>(
                                    data->node->size() < ranks_of_node ? ranks_of_node : 1));
  });
  const bool memory = !on_any_rank(host, streams);
  if (memory) {
    const std::int64_t threads = reader_threads(config.data, world.local_size());
    decode_into_memory(data->train, "data.train", *data, host, threads);
    if (data->validation)
      decode_into_memory(*data->validation, "data.validation", *data, host, threads);
  } else if (config.data.cache == config::Cache::automatic) {
    log::info(base::text(
        "the decoded images (", base::format_bytes(static_cast<double>(data->train.memory_bytes())),
        ") do not fit into half of the free memory of every node: they are streamed"));
  }
  comm::agree(host, [&] {
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
  if (host.rank() == 0) {
    for (const std::string& doubt : data->train.doubts()) log::warn(doubt);
    if (validation.file.size() > 0)
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
