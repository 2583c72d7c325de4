#include "data/sample_dataset.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/list_of_ten.hpp"
#include "base/thread_team.hpp"
#include "comm/agreement.hpp"
#include "comm/node_memory.hpp"
#include "data/fuel_split.hpp"
#include "data/value_scale.hpp"
#include "hdf5/page_cache.hpp"

namespace vae_dist::data {
namespace {

constexpr std::int64_t kRowsLookedAt = 64;

// Up to `count` places spread evenly over all.
std::vector<std::int64_t> spread_places(std::int64_t places, std::int64_t count) {
  std::vector<std::int64_t> out;
  const std::int64_t n = std::min(places, count);
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i * places / n);
  return out;
}

std::vector<RowRange> chosen_ranges(const SampleSource& source, const DecodedRows& rows) {
  if (source.split) return fuel_split(rows, *source.split);
  if (source.rows.empty()) return {{0, rows.rows()}};
  if (source.rows[0] < 0 || source.rows[1] > rows.rows() || source.rows[0] >= source.rows[1])
    throw base::BadInput(base::text(rows.place(), " has ", rows.rows(), " rows; rows [",
                                    source.rows[0], ", ", source.rows[1], "] are not within it"));
  return {{source.rows[0], source.rows[1]}};
}

// Runs `work` in this thread and others.
void in_threads(std::int64_t threads, const std::function<void()>& work) {
  base::ThreadTeam(static_cast<int>(threads)).divide(threads, [&](std::int64_t, std::int64_t) {
    work();
  });
}

}  // namespace

namespace {

bool has_fractions(std::span<const std::byte> image, PixelType type) {
  if (type == PixelType::uint8) return false;
  const std::span values(reinterpret_cast<const float*>(image.data()),
                         image.size() / sizeof(float));
  return std::any_of(values.begin(), values.end(),
                     [](float value) { return value != std::floor(value); });
}

// Numbers that say what the stored values mean, by the attributes' names.
using ValueAttributes = std::map<std::string, std::optional<double>>;

// Those of these names, which all files must have alike: else BadInput, as their values would mean
// different things. Each file is asked once: of thousands, few are open.
ValueAttributes common_attributes(const DecodedRows& rows, const std::vector<std::string>& names) {
  ValueAttributes first;
  for (std::size_t i = 0; i < rows.files().size(); ++i) {
    const hdf5::Hdf5Dataset& dataset = rows.stored(i).dataset();
    for (const std::string& name : names) {
      const std::optional<double> value = dataset.number_attribute(name);
      const std::optional<double> wanted = first.emplace(name, value).first->second;
      if (value != wanted && !(value && wanted && std::isnan(*value) && std::isnan(*wanted)))
        throw base::BadInput(base::text(
            "the files do not hold the same kind of images: the attribute `", name, "` is ",
            wanted ? base::text(*wanted) : "absent", " in ", rows.stored(0).dataset().where(),
            " and ", value ? base::text(*value) : "absent", " in ", dataset.where()));
    }
  }
  return first;
}

// NetCDF's way to store numbers: value = stored * scale_factor + add_offset.
void refuse_packed_values(const ValueAttributes& attributes, const DecodedRows& rows) {
  const double factor = attributes.at("scale_factor").value_or(1),
               offset = attributes.at("add_offset").value_or(0);
  if (factor == 1 && offset == 0) return;
  throw base::BadInput(
      base::text(rows.place(), " has NetCDF's attributes scale_factor = ", factor,
                 " and add_offset = ", offset,
                 ", by which its values are stored shifted or scaled; they are not applied "
                 "here. Store the values as they are meant, or set data.train.scale to the factor "
                 "that brings the stored numbers themselves to [0, 1]"));
}

std::optional<float> missing_value(const ValueAttributes& attributes) {
  for (const char* name : {"_FillValue", "missing_value"})
    if (const auto value = attributes.at(name); value && std::isfinite(*value))
      return static_cast<float>(*value);
  return std::nullopt;
}

// "'test', 'train'", where the first file has Fuel's splits of its images.
std::optional<std::string> splits_of(const DecodedRows& rows) {
  std::set<std::string> names;
  try {
    for (const hdf5::FuelSplit& entry : rows.file(0).fuel_splits())
      if (entry.source == rows.stored(0).dataset().path())
        names.insert(base::text("'", entry.split, "'"));
  } catch (const base::BadInput&) {
    // an attribute `split` of another kind
  }
  if (names.empty()) return std::nullopt;
  return base::list_of_ten({names.begin(), names.end()});
}

}  // namespace

struct SampleDataset::Store {
  Store(DecodedRows images, SampleRows all) : rows(std::move(images)), samples(std::move(all)) {}

  // What up to 64 images tell.
  struct LookedAt {
    ValueRange values;
    std::uint64_t fingerprint;
    bool fractions = false;  // values that are no whole numbers
  };

  // Rows that this rank decoded into memory, and what is in them.
  struct FilledRows {
    std::int64_t row, count, place;
    ValueRange values;
  };

  // Without memory: what was decoded last serves the rows around it.
  struct LastBand {
    RowRange range;
    std::vector<std::byte> images;
    RowBuffers buffers;
  };

  void read(std::int64_t place, std::span<std::byte> out) const {
    const std::size_t bytes = rows.image_bytes();
    if (memory) {
      std::memcpy(out.data(), memory.get() + static_cast<std::size_t>(place) * bytes, bytes);
      return;
    }
    const std::int64_t row = samples.row_at(place);
    const std::lock_guard lock(band_mutex);
    if (rows.reads_single_rows()) return rows.read(row, 1, out, band.buffers);
    if (row < band.range.first || row >= band.range.last) {
      const RowRange range = rows.band_of(row);
      band.range = {};  // if reading fails
      band.images.resize(static_cast<std::size_t>(range.size()) * bytes);
      rows.read(range.first, range.size(), band.images, band.buffers);
      band.range = range;
    }
    std::memcpy(out.data(),
                band.images.data() + static_cast<std::size_t>(row - band.range.first) * bytes,
                bytes);
  }

  const LookedAt& look() const {
    const std::lock_guard lock(look_mutex);
    if (looked_at) return *looked_at;
    const SampleShape& s = rows.shape();
    LookedAt seen{{},
                  base::hash_text(base::text(samples.places(), " ", s.channels, " ", s.height, " ",
                                             s.width, " ", layout_name(rows.layout())))};
    std::vector<std::byte> image(rows.image_bytes());
    for (const std::int64_t place : spread_places(samples.places(), kRowsLookedAt)) {
      read(place, image);
      seen.fingerprint = base::hash_bytes(image.data(), image.size(), seen.fingerprint);
      seen.values.include(image, rows.type());
      seen.fractions = seen.fractions || has_fractions(image, rows.type());
    }
    return looked_at.emplace(seen);
  }

  double stored_scale() const {
    if (geometry_scale) return *geometry_scale;
    if (!given_scale) return found_scale(look().values, rows.number(), rows.place());
    check_given_scale(*given_scale, look().values, rows.place());
    return *given_scale;
  }

  // From now on reading checks every value.
  void limit_values(double scale) const {
    rows.limit(ValueLimits::of_scale(scale, missing),
               base::text(": times the scale ", scale,
                          given_scale ? " that is given"
                                      : base::text(" that was found by looking at ", kRowsLookedAt,
                                                   " images"),
                          " it is not in [0, 1]",
                          missing ? base::text(", or it is the sign for a missing value (",
                                               *missing, ", by the attribute _FillValue)")
                                  : "",
                          ". Mend or leave out the row, or set data.train.scale"));
  }

  void check_decoded() const {
    for (const FilledRows& part : decoded) {
      if (rows.limits().allows(part.values)) continue;
      for (std::int64_t i = 0; i < part.count; ++i)
        rows.check_delivered(
            part.row + i,
            {memory.get() + static_cast<std::size_t>(part.place + i) * rows.image_bytes(),
             rows.image_bytes()});
    }
  }

  const SampleFinish& the_finish() const {
    std::call_once(finish_made, [&] {
      const bool whole_numbers = rows.number().kind != hdf5::StoredNumber::Kind::ieee_float &&
                                 (!geometry.resize || rows.type() == PixelType::uint8);
      const double scale = stored_scale();
      if (!geometry_scale) {
        limit_values(scale);
        check_decoded();
      }
      finish.emplace(finish_options, StoredValues{rows.type(), scale, whole_numbers}, rows.place());
    });
    return *finish;
  }

  mutable DecodedRows rows;
  SampleRows samples;  // nothing held out
  Geometry geometry;
  FinishOptions finish_options;
  std::optional<double> given_scale;
  std::optional<double>
      geometry_scale;  // found before cropping and resizing, where it had to be known first
  std::optional<float> missing;
  std::optional<std::string> unused_splits;
  std::vector<FilledRows> decoded;
  std::shared_ptr<const std::byte> memory;  // the image at place 0
  mutable std::mutex band_mutex, look_mutex;
  mutable LastBand band;
  mutable std::optional<LookedAt> looked_at;
  mutable std::once_flag finish_made;
  mutable std::optional<SampleFinish> finish;
};

SampleDataset::SampleDataset(std::shared_ptr<Store> store, SampleRows samples)
    : store_(std::move(store)), samples_(std::move(samples)) {}

SampleDataset SampleDataset::open(const SampleSource& source) {
  DecodedRows rows(source.files, source.dataset, source.layout);
  SampleRows samples(chosen_ranges(source, rows));
  if (samples.size() == 0)
    throw base::BadInput(
        base::text(rows.place(), ": split '", source.split.value_or(""), "' has no rows"));
  auto store = std::make_shared<Store>(std::move(rows), samples);
  store->geometry = source.geometry;
  store->finish_options = source.finish;
  // A scale that the configuration gives is of the stored numbers, whatever the file says of them.
  std::vector<std::string> names = {"_FillValue", "missing_value"};
  if (!source.scale) names.insert(names.end(), {"scale", "scale_factor", "add_offset"});
  const ValueAttributes attributes = common_attributes(store->rows, names);
  store->given_scale = source.scale ? source.scale : attributes.at("scale");
  if (!source.scale) refuse_packed_values(attributes, store->rows);
  store->missing = missing_value(attributes);
  if (!source.split && source.rows.empty()) store->unused_splits = splits_of(store->rows);
  if (!source.geometry.is_identity() || store->missing) {
    // Grey levels stay bytes when they are averaged; the mean of black and white does not.
    store->geometry_scale = store->stored_scale();
    store->limit_values(*store->geometry_scale);
    const bool bytes = store->rows.number().is_byte() &&
                       (!source.geometry.resize || *store->geometry_scale == 1.0 / 255.0);
    store->band.range = {};
    store->rows.deliver(source.geometry, bytes);
  }
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
  return held_out;
}

const SampleShape& SampleDataset::shape() const { return store_->rows.shape(); }
SampleLayout SampleDataset::layout() const { return store_->rows.layout(); }
PixelType SampleDataset::type() const { return finish().type(); }
double SampleDataset::scale() const { return finish().scale(); }
bool SampleDataset::scale_is_given() const { return store_->given_scale.has_value(); }
const hdf5::Hdf5Dataset& SampleDataset::stored() const { return store_->rows.stored(0).dataset(); }
const SampleFinish& SampleDataset::finish() const { return store_->the_finish(); }
const DecodedRows& SampleDataset::rows() const { return store_->rows; }
bool SampleDataset::in_memory() const { return store_->memory != nullptr; }

std::uint64_t SampleDataset::memory_bytes() const {
  return static_cast<std::uint64_t>(store_->samples.places()) * store_->rows.image_bytes();
}

std::span<const std::byte> SampleDataset::decoded(std::int64_t index) const {
  const std::size_t bytes = store_->rows.image_bytes();
  return {store_->memory.get() + static_cast<std::size_t>(samples_.place(index)) * bytes, bytes};
}

void SampleDataset::read(std::int64_t index, std::span<std::uint8_t> out,
                         std::int64_t epoch) const {
  if (index < 0 || index >= size())
    throw std::out_of_range(base::text("sample ", index, " of ", size()));
  if (in_memory()) return finish().apply(decoded(index), epoch, index, out);
  if (finish().copies()) return store_->read(samples_.place(index), std::as_writable_bytes(out));
  std::vector<std::byte> image(store_->rows.image_bytes());
  store_->read(samples_.place(index), image);
  finish().apply(image, epoch, index, out);
}

void SampleDataset::cache(comm::HostCommunicator& node, comm::HostCommunicator& all,
                          const CacheOptions& options) {
  // The next chunk to decode stands before the images, where all ranks of the node find it.
  constexpr std::size_t kHeader = 64;
  using Counter = std::atomic<std::int64_t>;
  static_assert(Counter::is_always_lock_free && sizeof(Counter) <= kHeader);
  const std::size_t image_bytes = store_->rows.image_bytes();
  const auto memory = std::make_shared<comm::NodeMemory>(node, all, kHeader + memory_bytes());
  auto& next = *reinterpret_cast<Counter*>(memory->data());  // zeros are a counter at 0
  std::byte* const images = memory->data() + kHeader;

  struct Unit {
    std::int64_t row, count, place;
  };
  std::vector<Unit> units;
  std::int64_t place = 0;
  for (const RowRange& range : store_->samples.ranges())
    for (std::int64_t row = range.first; row < range.last;) {
      const std::int64_t count = std::min(store_->rows.band_of(row).last, range.last) - row;
      units.push_back({row, count, place});
      row += count;
      place += count;
    }

  hdf5::PageCache ahead(store_->rows.source_files());
  std::mutex decoded_mutex;
  store_->decoded.clear();
  comm::agree(all, [&] {
    const auto reporter = std::this_thread::get_id();
    in_threads(options.threads, [&] {
      RowBuffers buffers;
      for (std::int64_t i = next++; i < static_cast<std::int64_t>(units.size()); i = next++) {
        const Unit& unit = units[static_cast<std::size_t>(i)];
        const double share = static_cast<double>(i) / static_cast<double>(units.size());
        if (node.rank() == 0 && std::this_thread::get_id() == reporter) {
          ahead.will_need(share);
          options.on_progress(share);
        }
        const std::span to(images + static_cast<std::size_t>(unit.place) * image_bytes,
                           static_cast<std::size_t>(unit.count) * image_bytes);
        try {
          store_->rows.read(unit.row, unit.count, to, buffers);
          Store::FilledRows done{unit.row, unit.count, unit.place, {}};
          done.values.include(to, store_->rows.type());
          const std::lock_guard lock(decoded_mutex);
          store_->decoded.push_back(done);
        } catch (const base::Failure& error) {
          // Before the first step a file that cannot be read is bad input.
          throw base::BadInput(error.what(), error.where());
        }
      }
    });
  });
  store_->memory = std::shared_ptr<const std::byte>(memory, images);
}

std::vector<std::string> SampleDataset::doubts() const {
  std::vector<std::string> out;
  const Store::LookedAt& seen = store_->look();
  if (const std::string doubt =
          doubt_about_scale(store_->stored_scale(), store_->given_scale.has_value(), seen.values,
                            seen.fractions, rows().number());
      !doubt.empty())
    out.push_back(base::text(rows().place(), ": ", doubt));
  if (store_->unused_splits)
    out.push_back(
        base::text(rows().place(), " has the splits ", *store_->unused_splits,
                   ", and all rows are read, those for tests too: choose with data.train.split"));
  return out;
}

std::string SampleDataset::fingerprint() const {
  return base::hash_name(store_->look().fingerprint);
}

std::vector<hdf5::Hdf5Dataset> SampleDataset::companions() const {
  std::vector<hdf5::Hdf5Dataset> out;
  const hdf5::Hdf5File& file = store_->rows.file(0);
  for (const std::string& path : file.dataset_paths()) {
    hdf5::Hdf5Dataset d = file.dataset(path);
    const bool a_row_an_image =
        (d.shape().size() == 1 || d.shape().size() == 2) && d.shape()[0] == stored().shape()[0];
    if (a_row_an_image && d.number() && path != stored().path()) out.push_back(std::move(d));
  }
  return out;
}

std::string SampleDataset::description() const {
  const SampleShape& s = shape();
  const DecodedRows& rows = store_->rows;
  return base::text(rows.place(), ": ", size(), " images ", s.channels, "x", s.height, "x", s.width,
                    " (", layout_name(layout()), ", ", stored().type_name(), " ",
                    scale_text(store_->stored_scale(), rows.number()), ")");
}

}  // namespace vae_dist::data
