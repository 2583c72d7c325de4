#include "data/sample_dataset.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>

#include "arrays/fuel_split.hpp"
#include "arrays/names_fingerprint.hpp"
#include "arrays/value_scale.hpp"
#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/list_of_ten.hpp"
#include "base/require_bytes.hpp"
#include "base/thread_team.hpp"
#include "base/utf8.hpp"
#include "comm/agreement.hpp"
#include "comm/node_memory.hpp"
#include "data/random_crop.hpp"
#include "data/section_memory.hpp"
#include "hdf5/copy_box.hpp"
#include "hdf5/page_cache.hpp"

namespace vae_dist::data {
namespace {

// Of very large samples fewer are inspected.
constexpr std::int64_t kInspectedRows = 64;
constexpr std::size_t kMostInspected = std::size_t{1} << 30;

// Where the inspected rows would take more, or lie in several files, nothing is read for a
// fingerprint alone.
constexpr std::size_t kMostHashed = std::size_t{64} << 20;
constexpr std::string_view kOfNames = "names-";

// Returns up to `count` indices, spread evenly over [0, total).
std::vector<std::int64_t> spread_indices(std::int64_t total, std::int64_t count) {
  std::vector<std::int64_t> out;
  const std::int64_t n = std::min(total, count);
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i * total / n);
  return out;
}

std::vector<arrays::RowRange> chosen_ranges(const SampleSource& source,
                                            const arrays::DecodedRows& rows) {
  if (source.split) return arrays::fuel_split(rows, *source.split);
  if (source.rows.empty()) return {{0, rows.rows()}};
  if (source.rows[0] < 0 || source.rows[1] > rows.rows() || source.rows[0] >= source.rows[1])
    throw base::BadInput(base::text(rows.where(), " has ", rows.rows(), " rows; rows [",
                                    source.rows[0], ", ", source.rows[1], "] are out of range"));
  return {{source.rows[0], source.rows[1]}};
}

// Runs `work` in `threads` threads, of which this one is the first.
void run_in_threads(std::int64_t threads, const std::function<void()>& work) {
  base::ThreadTeam(static_cast<int>(threads)).divide(threads, [&](std::int64_t, std::int64_t) {
    work();
  });
}

}  // namespace

namespace {

bool has_fractions(std::span<const std::byte> image, arrays::PixelType type) {
  if (type == arrays::PixelType::uint8) return false;
  const std::span values(reinterpret_cast<const float*>(image.data()),
                         image.size() / sizeof(float));
  return std::any_of(values.begin(), values.end(),
                     [](float value) { return value != std::floor(value); });
}

// Returns the list "'test', 'train'" if the first file has Fuel's splits of its images.
std::optional<std::string> splits_of(const arrays::DecodedRows& rows) {
  std::set<std::string> names;
  try {
    for (const hdf5::FuelSplit& entry : rows.file(0).fuel_splits())
      if (entry.source == rows.stored(0).dataset().path())
        names.insert(base::text("'", entry.split, "'"));
  } catch (const base::BadInput&) {
    return std::nullopt;  // the attribute `split` is of another kind
  }
  if (names.empty()) return std::nullopt;
  return base::list_of_ten({names.begin(), names.end()});
}

}  // namespace

struct SampleDataset::Store {
  Store(arrays::DecodedRows images, SampleRows all)
      : rows(std::move(images)), samples(std::move(all)) {}

  // What up to 64 inspected images show.
  struct InspectedValues {
    arrays::ValueRange values;
    std::uint64_t fingerprint;
    bool fractions = false;  // some values are not whole numbers
  };

  // Rows that this rank decoded into memory, and the range of their values.
  struct FilledRows {
    std::int64_t row, count, stored_index;
    arrays::ValueRange values;
  };

  // Without memory, the block that was decoded last serves reads of the rows around it.
  struct LastBlock {
    arrays::RowRange range;
    std::vector<std::byte> images;
    arrays::RowBuffers buffers;
  };

  void read(std::int64_t stored_index, std::span<std::byte> out) const {
    const std::size_t bytes = rows.image_bytes();
    if (memory) {
      const std::span<const std::byte> packed = in_memory(stored_index);
      if (rows.packs()) return rows.unpack(packed, out);
      std::memcpy(out.data(), packed.data(), bytes);
      return;
    }
    const std::int64_t row = samples.row_at(stored_index);
    const std::lock_guard lock(block_mutex);
    if (rows.reads_single_rows()) return rows.read(row, 1, out, block.buffers);
    if (row < block.range.first || row >= block.range.last) {
      const arrays::RowRange range = rows.block_of(row);
      block.range = {};  // in case reading fails
      block.images.resize(static_cast<std::size_t>(range.size()) * bytes);
      rows.read(range.first, range.size(), block.images, block.buffers);
      block.range = range;
    }
    std::memcpy(out.data(),
                block.images.data() + static_cast<std::size_t>(row - block.range.first) * bytes,
                bytes);
  }

  // Where the row of a stored index begins in the memory, in bytes.
  std::size_t offset_of(std::int64_t stored_index) const {
    if (!rows.packs()) return static_cast<std::size_t>(stored_index) * rows.image_bytes();
    if (stored_index == samples.stored_count()) return range_offsets.back();
    const arrays::RowRange& range = samples.range_at(stored_index);
    return range_offsets[static_cast<std::size_t>(&range - samples.ranges().data())] +
           rows.packed_bytes(range.first, samples.row_at(stored_index) - range.first);
  }

  std::span<const std::byte> in_memory(std::int64_t stored_index) const {
    return {memory.get() + offset_of(stored_index),
            rows.packed_bytes(samples.row_at(stored_index), 1)};
  }

  // Of each range of rows; one more entry at the end. Only if rows are packed.
  void find_range_offsets() {
    range_offsets = {0};
    for (const arrays::RowRange& range : samples.ranges())
      range_offsets.push_back(range_offsets.back() + rows.packed_bytes(range.first, range.size()));
  }

  const InspectedValues& inspect() const {
    const std::lock_guard lock(inspect_mutex);
    if (inspected) return *inspected;
    std::string sizes = base::text(rows.shape().channels);
    for (const std::int64_t size : rows.shape().space) sizes += base::text(" ", size);
    InspectedValues seen{
        {},
        base::hash_text(base::text(samples.stored_count(), " ", sizes, " ", rows.layout().text()))};
    std::vector<std::byte> image(rows.image_bytes());
    const auto of_bytes =
        static_cast<std::int64_t>(kMostInspected / std::max<std::size_t>(1, rows.image_bytes()));
    for (const std::int64_t stored_index : spread_indices(
             samples.stored_count(), std::clamp<std::int64_t>(of_bytes, 1, kInspectedRows))) {
      read(stored_index, image);
      seen.fingerprint = base::hash_bytes(image.data(), image.size(), seen.fingerprint);
      seen.values.include(image, rows.type());
      seen.fractions = seen.fractions || has_fractions(image, rows.type());
    }
    return inspected.emplace(seen);
  }

  double stored_scale() const {
    if (plain) return 1;
    if (geometry_scale) return *geometry_scale;
    if (!given_scale) return arrays::found_scale(inspect().values, rows.number(), rows.where());
    arrays::check_given_scale(*given_scale, inspect().values, rows.where());
    return *given_scale;
  }

  // Makes reading check every value from now on.
  void limit_values(double scale) const {
    if (plain) {
      if (missing)
        rows.limit({.missing = missing},
                   base::text(", which marks a missing value (by the attribute _FillValue or "
                              "missing_value). Correct or leave out the row"));
      return;
    }
    rows.limit(arrays::ValueLimits::of_scale(scale, missing),
               base::text(": multiplied by the scale ", scale,
                          given_scale ? " (which is given)"
                                      : base::text(" (which was found by inspecting ",
                                                   kInspectedRows, " images)"),
                          ", it is not in [0, 1]",
                          missing ? base::text(", or it marks a missing value (", *missing,
                                               ", by the attribute _FillValue or missing_value)")
                                  : "",
                          ". Correct or leave out the row, or set data.train.scale"));
  }

  void check_decoded() const {
    for (const FilledRows& part : decoded) {
      if (rows.packs() || rows.limits().allows(part.values)) continue;
      for (std::int64_t i = 0; i < part.count; ++i)
        rows.check_delivered(
            part.row + i,
            {memory.get() + static_cast<std::size_t>(part.stored_index + i) * rows.image_bytes(),
             rows.image_bytes()});
    }
  }

  const SampleFinish& ensure_finish() const {
    std::call_once(finish_made, [&] {
      const bool whole_numbers = rows.number().kind != hdf5::StoredNumber::Kind::ieee_float &&
                                 (!geometry.resize || rows.type() == arrays::PixelType::uint8);
      const double scale = stored_scale();
      if (!geometry_scale) {
        limit_values(scale);
        check_decoded();
      }
      finish.emplace(finish_options, StoredValues{rows.type(), scale, whole_numbers}, rows.where());
    });
    return *finish;
  }

  mutable arrays::DecodedRows rows;
  std::vector<std::size_t> range_offsets;
  arrays::SampleShape shape;  // as the model sees them
  std::vector<std::int64_t> random_crop;
  SampleRows samples;  // including held-out rows
  bool plain = false;
  std::shared_ptr<const Normalisation> normalisation;
  arrays::Geometry geometry;
  FinishOptions finish_options;
  std::optional<double> given_scale;
  std::optional<double>
      geometry_scale;  // scale found before cropping and resizing, if it had to be known first
  std::optional<float> missing;
  std::optional<std::string> unused_splits;
  std::vector<FilledRows> decoded;
  std::shared_ptr<const std::byte> memory;  // the image of stored index 0
  mutable std::mutex block_mutex, inspect_mutex;
  mutable LastBlock block;
  mutable std::optional<InspectedValues> inspected;
  mutable std::once_flag finish_made;
  mutable std::optional<SampleFinish> finish;
};

SampleDataset::SampleDataset(std::shared_ptr<Store> store, SampleRows samples)
    : store_(std::move(store)), samples_(std::move(samples)) {}

void SampleDataset::crop_at_random(Store& store, const SampleSource& source) {
  const arrays::SampleShape& whole = store.rows.shape();
  const std::vector<std::int64_t>& size = source.random_crop;
  const auto text = [&] {
    return base::text("data.random_crop is ", hdf5::shape_text(size), ", but ", store.rows.where(),
                      " holds ", whole.plural(), " ", whole.text());
  };
  if (size.size() != whole.space.size())
    throw base::BadInput(base::text(text(), ": it takes ", whole.space.size(),
                                    " sizes, one for each axis of space"));
  for (std::size_t axis = 0; axis < size.size(); ++axis)
    if (size[axis] > whole.space[axis]) throw base::BadInput(text());
  store.random_crop = size;
  store.shape.space = size;
}

SampleDataset SampleDataset::open(const SampleSource& source) {
  arrays::DecodedRows rows(source.files, {source.datasets, source.layout});
  SampleRows samples(chosen_ranges(source, rows));
  if (samples.size() == 0)
    throw base::BadInput(
        base::text(rows.where(), ": split '", source.split.value_or(""), "' has no rows"));
  auto store = std::make_shared<Store>(std::move(rows), samples);
  store->plain = source.plain;
  if (store->rows.packs()) store->find_range_offsets();
  store->geometry = source.geometry;
  store->finish_options = source.finish;
  // A scale from the configuration applies to the stored numbers, whatever the file says.
  std::vector<std::string> names(arrays::kMissingAttributes.begin(),
                                 arrays::kMissingAttributes.end());
  if (!source.scale) names.insert(names.end(), {"scale_factor", "add_offset"});
  if (!source.scale && !source.plain) names.push_back("scale");
  const arrays::ValueAttributes& attributes = store->rows.common_attributes(names);
  if (!source.plain) store->given_scale = source.scale ? source.scale : attributes.at("scale");
  if (!source.scale) attributes.refuse_packed(store->rows.where());
  store->missing = arrays::missing_value([&](const char* name) { return attributes.at(name); });
  if (!source.split && source.rows.empty()) store->unused_splits = splits_of(store->rows);
  if (source.mask_missing) {
    store->missing.reset();
    store->rows.mask_missing(source.geometry);
  } else if (!source.geometry.is_identity() || store->missing) {
    // Grey levels stay bytes when they are averaged; black and white do not.
    store->geometry_scale = store->stored_scale();
    store->limit_values(*store->geometry_scale);
    const bool bytes = store->rows.number().is_byte() &&
                       (!source.geometry.resize || *store->geometry_scale == 1.0 / 255.0);
    store->block.range = {};
    store->rows.deliver(source.geometry, bytes);
  }
  store->shape = store->rows.shape();
  if (!source.random_crop.empty()) crop_at_random(*store, source);
  return SampleDataset(std::move(store), std::move(samples));
}

SampleDataset SampleDataset::open(const SampleSource& source, std::uint64_t memory_budget) {
  SampleDataset out = open(source);
  if (out.memory_bytes() <= memory_budget) {
    const auto self = comm::make_self_communicator();
    out.cache(*self, *self, {});
  }
  out.scale();
  return out;
}

SampleDataset SampleDataset::hold_out(double fraction, std::uint64_t seed) {
  SampleDataset held_out(store_, samples_.held_out_part(fraction, seed));
  samples_ = samples_.training_part(fraction, seed);
  conditions_ = nullptr;  // they were those of all samples
  return held_out;
}

std::vector<StoredArray> SampleDataset::stored_arrays() const {
  const arrays::ArrayFile& file = rows().opened(0);
  std::vector<StoredArray> out;
  if (file.sparse()) out.push_back({file.sparse_path(), "V", file.shape().channels});
  for (const arrays::ArrayFile::Part& part : file.parts())
    out.push_back({part.stored->dataset().path(), part.axes.sample().axes(), part.channels,
                   base::utf8_text(part.stored->dataset().text_attribute("units"))});
  return out;
}

bool SampleDataset::masks_missing() const { return store_->rows.masks_missing(); }

const arrays::SampleShape& SampleDataset::shape() const { return store_->shape; }
bool SampleDataset::crops() const { return !store_->random_crop.empty(); }
const std::vector<std::int64_t>& SampleDataset::whole_space() const {
  return store_->rows.shape().space;
}
bool SampleDataset::reads_windows() const {
  return crops() ? store_->rows.reads_windows() : store_->rows.rows_lie_alone();
}
const arrays::SampleLayout& SampleDataset::layout() const { return store_->rows.layout(); }
arrays::PixelType SampleDataset::type() const { return finish().type(); }
double SampleDataset::scale() const { return finish().scale(); }
bool SampleDataset::scale_is_given() const { return store_->given_scale.has_value(); }
const hdf5::Hdf5Dataset& SampleDataset::stored() const { return store_->rows.stored(0).dataset(); }
bool SampleDataset::is_plain() const { return store_->plain; }
const std::shared_ptr<const Normalisation>& SampleDataset::normalisation() const {
  return store_->normalisation;
}
void SampleDataset::normalise(const Normalisation& normalisation) {
  const auto channels = static_cast<std::size_t>(shape().channels);
  if (normalisation.shift.size() != channels ||
      (normalisation.transforms.size() != 1 && normalisation.transforms.size() != channels))
    throw base::BadInput(base::text(
        description(), ": data.transform has ", normalisation.transforms.size(),
        " entries, and the statistics are of ", normalisation.shift.size(), " channels"));
  store_->normalisation = std::make_shared<Normalisation>(normalisation);
}
const SampleFinish& SampleDataset::finish() const { return store_->ensure_finish(); }
const arrays::DecodedRows& SampleDataset::rows() const { return store_->rows; }
bool SampleDataset::in_memory() const { return store_->memory != nullptr; }

std::uint64_t SampleDataset::memory_bytes() const {
  return store_->offset_of(store_->samples.stored_count());
}

std::span<const std::byte> SampleDataset::decoded(std::int64_t index) const {
  return store_->in_memory(samples_.stored_index(index));
}

void SampleDataset::read(std::int64_t index, std::span<std::uint8_t> out,
                         std::int64_t epoch) const {
  if (index < 0 || index >= size())
    throw std::out_of_range(
        base::text("sample ", index, " is out of range; the number of samples is ", size()));
  base::require_bytes("SampleDataset::read", out.size(),
                      static_cast<std::size_t>(shape().values()) * bytes_of(type()));
  if (crops())
    return read_window(index, middle_window(whole_space(), store_->random_crop), out, epoch);
  if (in_memory()) return finish_window(decoded(index), index, {}, out, epoch);
  finish().in_place(static_cast<std::size_t>(shape().values()), epoch, index, out,
                    [&](std::span<std::byte> image) {
                      if (!reads_windows())
                        return store_->read(samples_.stored_index(index), image);
                      thread_local arrays::RowBuffers buffers;
                      store_->rows.read(samples_.row(index), 1, image, buffers);
                    });
}

void SampleDataset::read_window(std::int64_t index, const arrays::SpaceWindow& window,
                                std::span<std::uint8_t> out, std::int64_t epoch) const {
  if (in_memory()) return finish_window(decoded(index), index, window, out, epoch);
  if (!reads_windows()) {
    std::vector<std::byte> whole(store_->rows.image_bytes());
    store_->read(samples_.stored_index(index), whole);
    return finish_window(whole, index, window, out, epoch);
  }
  thread_local arrays::RowBuffers buffers;
  finish().in_place(static_cast<std::size_t>(shape().values()), epoch, index, out,
                    [&](std::span<std::byte> part) {
                      store_->rows.read_window(samples_.row(index), window, part, buffers);
                    });
}

void SampleDataset::finish_window(std::span<const std::byte> decoded, std::int64_t index,
                                  const arrays::SpaceWindow& window, std::span<std::uint8_t> out,
                                  std::int64_t epoch) const {
  const arrays::DecodedRows& rows = store_->rows;
  if (rows.packs()) {
    return finish().in_place(static_cast<std::size_t>(shape().values()), epoch, index, out,
                             [&](std::span<std::byte> whole) { rows.unpack(decoded, whole); });
  }
  if (!crops()) return finish().apply(decoded, epoch, index, out);
  const std::size_t bytes = arrays::bytes_of(rows.type());
  const arrays::SpaceWindow along = layout().along_axes(window, shape().channels);
  const std::vector<std::int64_t> whole = hdf5::c_strides(layout().sizes(rows.shape()));
  std::int64_t begin = 0;
  for (std::size_t axis = 0; axis < whole.size(); ++axis) begin += along.first[axis] * whole[axis];
  finish().in_place(static_cast<std::size_t>(shape().values()), epoch, index, out,
                    [&](std::span<std::byte> part) {
                      hdf5::copy_box(
                          along.size, bytes,
                          {decoded.data() + static_cast<std::size_t>(begin) * bytes, whole},
                          {part.data(), hdf5::c_strides(along.size)});
                    });
}

void SampleDataset::cache(comm::CpuCommunicator& node, comm::CpuCommunicator& all,
                          const CacheOptions& options) {
  // The counter of the next chunk to decode lies before the images; all ranks of the node share it.
  constexpr std::size_t kHeader = 64;
  using Counter = std::atomic<std::int64_t>;
  static_assert(Counter::is_always_lock_free && sizeof(Counter) <= kHeader);
  const arrays::DecodedRows& rows = store_->rows;
  const auto memory = std::make_shared<comm::NodeMemory>(node, all, kHeader + memory_bytes());
  auto& next = *reinterpret_cast<Counter*>(memory->data());  // zeroed memory is a counter at 0
  std::byte* const images = memory->data() + kHeader;

  struct Unit {
    std::int64_t row, count, stored_index;
  };
  std::vector<Unit> units;
  std::int64_t stored_index = 0;
  for (const arrays::RowRange& range : store_->samples.ranges())
    for (std::int64_t row = range.first; row < range.last;) {
      const std::int64_t count = std::min(rows.block_of(row).last, range.last) - row;
      units.push_back({row, count, stored_index});
      row += count;
      stored_index += count;
    }

  hdf5::PageCache ahead(store_->rows.source_files());
  std::mutex decoded_mutex;
  store_->decoded.clear();
  comm::agree(all, [&] {
    const auto reporter = std::this_thread::get_id();
    run_in_threads(options.threads, [&] {
      arrays::RowBuffers buffers;
      for (std::int64_t i = next++; i < static_cast<std::int64_t>(units.size()); i = next++) {
        const Unit& unit = units[static_cast<std::size_t>(i)];
        const double share = static_cast<double>(i) / static_cast<double>(units.size());
        if (node.rank() == 0 && std::this_thread::get_id() == reporter) {
          ahead.will_need(share);
          options.on_progress(share);
        }
        const std::span to(images + store_->offset_of(unit.stored_index),
                           rows.packed_bytes(unit.row, unit.count));
        try {
          rows.read_packed(unit.row, unit.count, to, buffers);
          Store::FilledRows done{unit.row, unit.count, unit.stored_index, {}};
          if (!rows.packs()) done.values.include(to, rows.type());
          const std::lock_guard lock(decoded_mutex);
          store_->decoded.push_back(done);
        } catch (const base::Failure& error) {
          // Before the first step, a file that cannot be read counts as bad input.
          throw base::BadInput(error.what(), error.where());
        }
      }
    });
  });
  store_->memory = std::shared_ptr<const std::byte>(memory, images);
}

void SampleDataset::cache_sections(const OrderPlan& order, const ReplicaRange& replicas,
                                   const CacheOptions& options) {
  sections_ =
      std::make_shared<SectionMemory>(*this, order, replicas, options.threads, options.on_progress);
}

std::vector<std::string> SampleDataset::doubts() const {
  std::vector<std::string> out;
  if (!store_->plain) {
    const Store::InspectedValues& seen = store_->inspect();
    const std::string doubt =
        arrays::doubt_about_scale(store_->stored_scale(), store_->given_scale.has_value(),
                                  seen.values, seen.fractions, rows().number());
    if (!doubt.empty()) out.push_back(base::text(rows().where(), ": ", doubt));
  }
  if (store_->unused_splits)
    out.push_back(base::text(
        rows().where(), " has the splits ", *store_->unused_splits,
        ", but all rows are read, including those for tests: choose one with data.train.split"));
  return out;
}

std::string SampleDataset::fingerprint_of(FingerprintKind kind) const {
  if (kind == FingerprintKind::values) return base::hash_name(store_->inspect().fingerprint);
  std::uint64_t hash = arrays::names_fingerprint(rows());
  for (const arrays::RowRange& range : store_->samples.ranges())
    hash = base::hash_text(base::text(range.first, " ", range.last, " "), hash);
  return base::text(kOfNames, base::hash_name(hash));
}

std::string SampleDataset::fingerprint() const {
  const bool reads_little =
      rows().files().size() == 1 &&
      static_cast<std::size_t>(std::min(kInspectedRows, store_->samples.stored_count())) <=
          kMostHashed / std::max<std::size_t>(1, rows().image_bytes());
  return fingerprint_of(reads_little ? FingerprintKind::values : FingerprintKind::names);
}

std::string SampleDataset::fingerprint_like(const std::string& other) const {
  return fingerprint_of(other.starts_with(kOfNames) ? FingerprintKind::names
                                                    : FingerprintKind::values);
}

std::vector<hdf5::Hdf5Dataset> SampleDataset::annotations() const {
  std::vector<hdf5::Hdf5Dataset> out;
  const hdf5::Hdf5File& file = store_->rows.file(0);
  for (const std::string& path : file.dataset_paths()) {
    hdf5::Hdf5Dataset d = file.dataset(path);
    const bool a_row_an_image = (d.shape().size() == 1 || d.shape().size() == 2) &&
                                d.shape()[0] == store_->rows.opened(0).rows();
    if (a_row_an_image && d.number() && path != stored().path()) out.push_back(std::move(d));
  }
  return out;
}

std::string SampleDataset::description() const {
  const arrays::DecodedRows& rows = store_->rows;
  return base::text(
      rows.where(), ": ", size(), " ", shape().plural(), " ", shape().text(), " (", layout().text(),
      ", ", stored().type_name(),
      store_->plain ? "" : " " + arrays::scale_text(store_->stored_scale(), rows.number()), ")");
}

}  // namespace vae_dist::data
