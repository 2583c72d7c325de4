#include "input/open_data.hpp"

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
#include "data/channel_statistics.hpp"
#include "input/replica_plan.hpp"
#include "input/training_batches.hpp"

namespace vae_dist::input {
namespace {

// The approximate size of the decoded chunks that are shuffled together when streaming.
constexpr std::int64_t kWindowBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLeastWindow = 2;

// About as many chunks as take kWindowBytes, of each of `sections` sections.
std::int64_t automatic_window(const data::SampleDataset& dataset, std::int64_t sections) {
  // Of samples that are packed, an average one.
  const auto sample_bytes = static_cast<std::int64_t>(
      dataset.memory_bytes() / static_cast<std::uint64_t>(dataset.samples().stored_count()));
  const std::int64_t chunk_bytes =
      std::max<std::int64_t>(1, sample_bytes * dataset.chunks().regular_size());
  return std::max(kLeastWindow, kWindowBytes / sections / chunk_bytes);
}

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
  out.files = config::listed_files(source.file);
  out.datasets = source.dataset;
  out.layout = source.layout;
  out.scale = source.scale;
  out.plain = config.data.normalize != config::Normalize::scale;
  out.mask_missing = config.data.missing == config::Missing::mask;
  out.rows = source.rows;
  out.split = source.split;
  out.geometry = {config.data.crop, config.data.resize};
  out.random_crop = config.data.random_crop;
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
    const std::filesystem::path file = config::matching_files(source.file.front()).front();
    const bool absent = !std::filesystem::exists(file);
    throw base::BadInput(base::text(
        key, ": ", error.what(),
        absent && config::is_pattern(file.string()) ? ". As a pattern it matches no file" : "",
        absent && file.is_relative()
            ? ". A relative path is resolved against the folder in which the program was started"
            : ""));
  }
}

std::string bytes_text(std::uint64_t bytes) {
  return base::format_bytes(static_cast<double>(bytes));
}

// Whether `bytes` fit into this node's memory: into half of what is free, or into all of it if the
// configuration insists on memory.
bool fits(config::Cache cache, std::uint64_t bytes) {
  const std::uint64_t free = base::free_memory();
  return cache != config::Cache::stream &&
         bytes <= (cache == config::Cache::memory ? free : free / 2);
}

// Whether `bytes` fit into the memory of every node. A collective. Throws AgreedError if they do
// not and the configuration insists on memory and leaves no other way; `what` names the images.
bool fit_everywhere(config::Cache cache, std::uint64_t bytes, bool insists, const std::string& what,
                    comm::CpuCommunicator& all_ranks) {
  bool here = false;
  comm::agree(all_ranks, [&] {
    here = fits(cache, bytes);
    if (!here && insists && cache == config::Cache::memory)
      throw base::BadInput(base::text("data.cache is memory, but ", what, " take ",
                                      bytes_text(bytes), " and ", bytes_text(base::free_memory()),
                                      " are free on this node. Set data.cache to stream."));
  });
  return !comm::on_any_rank(all_ranks, !here);
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

// Says every two seconds how much of `bytes` is decoded.
std::function<void(double)> progress_of(const std::string& key, std::uint64_t bytes) {
  return [key, bytes, watch = base::Stopwatch(), last = base::Seconds{0}](double share) mutable {
    constexpr base::Seconds kEvery{2};
    if (watch.elapsed() - last < kEvery) return;
    last = watch.elapsed();
    log::info(base::text(key, ": ", static_cast<int>(100 * share), " % of ", bytes_text(bytes),
                         " decoded"));
  };
}

void decode_into_memory(data::SampleDataset& dataset, const std::string& key, RunData& data,
                        comm::CpuCommunicator& all_ranks, std::int64_t threads) {
  dataset.cache(*data.node, all_ranks, {threads, progress_of(key, dataset.memory_bytes())});
}

// Resolves data.order and data.sections where they are `auto`, and keeps fixed sections in memory
// where they fit. `whole` says whether every node holds all data. A collective.
void choose_order(config::Config& config, RunData& data, bool whole, std::uint64_t whole_bytes,
                  const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks) {
  config::DataConfig& keys = config.data;
  const bool decides = keys.order == config::Order::automatic;
  // Where every sample, or window, is read by itself, there is nothing to gain from an order of
  // chunks.
  const bool windows = !whole && data.train.reads_windows();
  if (decides) keys.order = whole || windows ? config::Order::global : config::Order::sections;
  std::string why = decides && whole ? base::text("all images (", bytes_text(whole_bytes),
                                                  ") fit into the memory of every node")
                                     : "";
  if (keys.order == config::Order::sections) {
    ReplicaPlan plan;
    comm::agree(all_ranks, [&] {
      plan = make_replica_plan(config.train.global_batch,
                               config.distributed.replicas.value_or(world.size()), world.size(),
                               world.rank(), data.train.size());
    });
    const auto of_rank = static_cast<std::uint64_t>(
        static_cast<double>(data.train.memory_bytes()) * static_cast<double>(data.train.size()) /
        static_cast<double>(data.train.samples().stored_count()) / world.size());
    const std::uint64_t of_node = of_rank * static_cast<std::uint64_t>(world.local_size());
    const bool may_be_fixed = !whole && keys.sections != config::Sections::epoch;
    const bool keeps =
        may_be_fixed && fit_everywhere(keys.cache, of_node, true,
                                       "the decoded images of this node's own sections", all_ranks);
    if (keys.sections == config::Sections::automatic) {
      keys.sections = keeps ? config::Sections::fixed : config::Sections::epoch;
      const std::string own = base::text("the sections of a node (", bytes_text(of_node), ")");
      if (keys.cache != config::Cache::stream)
        why = decides ? base::text("all images (", bytes_text(whole_bytes),
                                   ") do not fit into half of the free memory of every node, ",
                                   keeps ? own + " do" : "nor do " + own)
                      : base::text(own, keeps ? " fit" : " do not fit",
                                   " into half of the free memory of every node");
    }
    if (!keys.shuffle_window_chunks)
      keys.shuffle_window_chunks = automatic_window(data.train, plan.replicas);
    if (keeps)
      comm::agree(all_ranks, [&] {
        as_bad_input("data.train", keys.train, [&] {
          data.train.cache_sections(
              order_plan(config, plan), plan.own_replicas(),
              {reader_threads(keys, world.local_size()),
               all_ranks.rank() == 0 ? progress_of("data.train", of_rank) : [](double) {}});
          return true;
        });
      });
  } else {
    keys.sections = config::Sections::automatic;  // of no effect
    if (!keys.shuffle_window_chunks)
      keys.shuffle_window_chunks = whole || windows ? 0 : automatic_window(data.train, 1);
  }
  data.order_reason = why;
}

// A batch that draws from fewer chunks than it has images has the file's neighbours in it.
void warn_of_few_chunks(const data::SampleDataset& dataset, const config::Config& config) {
  if (config.data.order != config::Order::sections) return;
  const std::int64_t window = *config.data.shuffle_window_chunks,
                     replicas = config.distributed.replicas.value_or(1),
                     all = dataset.chunks().count(),
                     chunks = window == 0 ? all : std::min(all, replicas * window);
  if (chunks < config.train.global_batch)
    log::warn(base::text(
        "every batch of ", config.train.global_batch, " images draws from ", chunks,
        " chunks of the file (", replicas,
        " sections in windows): where images of a kind stand together in the file, a batch holds "
        "more of one kind than it should. Set data.shuffle_window_chunks higher, or write the file "
        "with smaller chunks (`vae_dist data convert`)."));
}

void warn_of_streaming(const data::SampleDataset& dataset, const config::Config& config) {
  const hdf5::StoredRows& stored = dataset.rows().stored(0);
  if (dataset.reads_windows()) return;
  if (stored.chunks_per_block() > 1)
    log::warn(base::text(
        dataset.rows().where(), " is stored in chunks ", hdf5::shape_text(stored.dataset().chunk()),
        ": one sample spans ", stored.chunks_per_block(), " of them, so streaming reads ",
        stored.blocks().longest(), " samples (",
        base::format_bytes(static_cast<double>(stored.blocks().longest()) *
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

data::NormaliseBy normalise_by(config::Normalize wanted) {
  switch (wanted) {
    case config::Normalize::none:
      return data::NormaliseBy::nothing;
    case config::Normalize::standardize:
      return data::NormaliseBy::deviation;
    case config::Normalize::min_max:
      return data::NormaliseBy::range;
    case config::Normalize::scale:
      break;
  }
  throw std::logic_error("data.normalize scale has no statistics");
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

void use_normalisation(data::SampleDataset& dataset, const std::string& kept) {
  if (kept.empty()) return;
  try {
    dataset.normalise(data::Normalisation::parse(kept));
  } catch (const std::invalid_argument& error) {
    throw base::BadInput(
        base::text("the normalisation of the checkpoint cannot be read: ", error.what()));
  }
}

std::string find_normalisation(const config::Config& config, const data::SampleDataset& training,
                               comm::CpuCommunicator& all_ranks, std::int64_t threads) {
  if (config.data.normalize == config::Normalize::scale) return "";
  const std::vector<std::string>& transforms = config.data.transform;
  const std::int64_t channels = training.shape().channels;
  comm::agree(all_ranks, [&] {
    if (transforms.size() != 1 && static_cast<std::int64_t>(transforms.size()) != channels)
      throw base::BadInput(base::text("data.transform has ", transforms.size(), " entries, but ",
                                      training.description(), " has ", channels, " channels"));
    const std::size_t entries = config.data.encoder_transform.size();
    if (entries > 1 && static_cast<std::int64_t>(entries) != channels)
      throw base::BadInput(base::text("data.encoder_transform has ", entries, " entries, but ",
                                      training.description(), " has ", channels, " channels"));
  });
  const data::NormaliseBy by = normalise_by(config.data.normalize);
  const std::vector<std::string>& of_encoder = config.data.encoder_transform;
  data::Normalisation out = data::Normalisation::only(transforms, channels);
  // Data that are not in memory are not read from end to end where nothing is to be learned from
  // that but a warning.
  if (training.in_memory() || by != data::NormaliseBy::nothing ||
      !data::take_all_numbers(transforms) || !data::take_all_numbers(of_encoder)) {
    const data::ChannelStatistics statistics =
        data::channel_statistics(training, transforms, all_ranks, threads, of_encoder);
    if (const std::string flat = data::constant_channels(statistics);
        !flat.empty() && all_ranks.rank() == 0)
      log::warn(base::text(training.rows().where(), ": ", flat));
    out = data::normalisation_of(statistics, transforms, by);
  }
  out.arrays = training.stored_arrays();
  return out.text();
}

RunData open_run_data(config::Config& config, const comm::MpiWorld& world,
                      comm::CpuCommunicator& all_ranks, const FoundInTraining& kept) {
  std::optional<RunData> data;
  const config::SourceConfig &training = config.data.train, &validation = config.data.validation;
  std::unique_ptr<comm::CpuCommunicator> node = world.make_node_communicator();
  comm::agree(all_ranks, [&] {
    data.emplace(
        RunData{open_source(config, training, "data.train"), std::nullopt, nullptr, {}, ""});
    for (const char axis : flips(config.data))
      if (!data->train.layout().position(axis))
        throw base::BadInput(base::text("data.flip mirrors along ", axis, ", but ",
                                        data->train.description(), " has no such axis"));
    if (!validation.file.empty()) {
      data->validation = open_source(config, validation, "data.validation");
      if (data->validation->shape() != data->train.shape())
        throw base::BadInput(
            base::text("the samples of data.validation and data.train differ in shape: ",
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
  const bool own_alone = config.data.order == config::Order::sections &&
                         config.data.sections != config::Sections::epoch,
             either = config.data.order == config::Order::automatic;
  const std::uint64_t copies =
      data->node->size() < ranks_of_node ? static_cast<std::uint64_t>(ranks_of_node) : 1;
  const bool whole = !own_alone && fit_everywhere(config.data.cache, all_bytes * copies, !either,
                                                  "the decoded images", all_ranks);
  if (whole) {
    const std::int64_t threads = reader_threads(config.data, world.local_size());
    decode_into_memory(data->train, "data.train", *data, all_ranks, threads);
    if (data->validation)
      decode_into_memory(*data->validation, "data.validation", *data, all_ranks, threads);
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

  const std::string normalisation =
      kept.normalisation.empty()
          ? find_normalisation(config, data->train, all_ranks,
                               reader_threads(config.data, world.local_size()))
          : kept.normalisation;
  comm::agree(all_ranks, [&] {
    use_normalisation(data->train, normalisation);
    if (data->validation) use_normalisation(*data->validation, normalisation);
    data->conditions = kept.conditions.empty()
                           ? conditions::Conditions::find(training.condition, data->train)
                           : conditions::Conditions::parse(kept.conditions);
    data->train.use_conditions(data->conditions.of_samples(data->train));
    if (data->validation)
      data->validation->use_conditions(data->conditions.of_samples(*data->validation));
  });
  choose_order(config, *data, whole, all_bytes * copies, world, all_ranks);
  if (all_ranks.rank() == 0) {
    for (const std::string& doubt : data->train.doubts()) log::warn(doubt);
    if (!validation.file.empty())
      for (const std::string& doubt : data->validation->doubts()) log::warn(doubt);
    if (!whole && !data->train.sections()) warn_of_streaming(data->train, config);
    warn_of_few_chunks(data->train, config);
  }
  return std::move(*data);
}

std::string flips(const config::DataConfig& data) {
  std::string out;
  for (const std::string& axis : data.flip) out += axis;
  if (data.horizontal_flip) out += 'W';
  return out;
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
  format.flips = flips(config.data);
  format.device = device;
  format.type = config.train.precision == config::Precision::fp64 ? at::kDouble : at::kFloat;
  if (dataset.normalisation()) {
    format.normaliser = std::make_shared<data::Normaliser>(
        *dataset.normalisation(), format.shape.space.size() + 2, device, format.type);
    format.low = 0;
    format.high = 1;
  }
  format.masks_missing = dataset.masks_missing();
  if (!config.data.encoder_transform.empty()) {
    format.encoder = std::make_shared<data::Normaliser>(
        data::Normalisation::only(config.data.encoder_transform, format.shape.channels),
        format.shape.space.size() + 2, device, format.type);
  }
  return format;
}

}  // namespace vae_dist::input
