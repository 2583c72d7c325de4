#include "arrays/decoded_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "base/descriptor_limit.hpp"
#include "base/error.hpp"
#include "base/require_bytes.hpp"

namespace vae_dist::arrays {
namespace {

constexpr std::size_t kInspectedFiles = 64;

SpaceWindow all_of(const SampleShape& shape) {
  return {std::vector<std::int64_t>(shape.space.size(), 0), shape.space};
}

}  // namespace

// Files of one sample each. The most recently used stay open.
class DecodedRows::LazyFiles {
 public:
  template <typename Open>
  std::shared_ptr<const ArrayFile> get(std::int64_t number, Open open) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = places_.find(number); known != places_.end()) {
        used_.splice(used_.begin(), used_, known->second);
        return known->second->arrays;
      }
    }
    std::shared_ptr<const ArrayFile> file = open();
    std::shared_ptr<const ArrayFile> closed;  // after the lock is released
    const std::lock_guard lock(mutex_);
    if (const auto known = places_.find(number); known != places_.end())
      return known->second->arrays;
    used_.push_front({number, file});
    places_[number] = used_.begin();
    if (used_.size() > base::descriptors_for_data()) {
      closed = std::move(used_.back().arrays);
      places_.erase(used_.back().number);
      used_.pop_back();
    }
    return file;
  }

 private:
  struct OpenFile {
    std::int64_t number;
    std::shared_ptr<const ArrayFile> arrays;
  };

  std::mutex mutex_;
  std::list<OpenFile> used_;  // most recently used first
  std::unordered_map<std::int64_t, std::list<OpenFile>::iterator> places_;
};

DecodedRows::DecodedRows(const std::vector<std::string>& files, const ArrayChoice& choice)
    : files_(files), choice_(choice) {
  if (const std::string why = why_not_a_layout(choice.layout); !why.empty())
    throw base::BadInput(base::text("the layout ", choice.layout, " ", why));
  const bool several = files.size() > 1;
  opened_.push_back({std::make_shared<const ArrayFile>(files.front(), choice, several), 0});
  rows_ = first().rows();
  if (several) twins_ = std::make_shared<const FileTwins>(first());
  if (!first().sparse() && first().parts().front().axes.sample_axes().empty() &&
      files.size() > kInspectedFiles) {
    lazy_ = std::make_shared<LazyFiles>();
    rows_ = static_cast<std::int64_t>(files.size());
    for (std::size_t i = 1; i < kInspectedFiles; ++i) {
      const std::size_t number = i * files.size() / kInspectedFiles;
      opened_.push_back({open(number, true), static_cast<std::int64_t>(number)});
    }
  } else {
    for (std::size_t i = 1; i < files.size(); ++i) {
      opened_.push_back({open(i, true), rows_});
      rows_ += opened_.back().arrays->rows();
    }
  }
  deliver({}, first().holds_bytes());
}

std::shared_ptr<const ArrayFile> DecodedRows::open(std::size_t number, bool may_close) const {
  if (auto twin = twins_->open(files_[number])) return twin;
  auto file = std::make_shared<const ArrayFile>(files_[number], choice_, may_close, &first());
  require_same_meaning(*file);
  return file;
}

void DecodedRows::require_same_meaning(const ArrayFile& file) const {
  for (std::size_t i = 0; i < meaning_.size(); ++i)
    meaning_[i].require_same(file.dataset(i), first().dataset(i));
}

const ValueAttributes& DecodedRows::common_attributes(const std::vector<std::string>& names) {
  meaning_.clear();
  for (std::size_t i = 0; i < std::max<std::size_t>(1, first().parts().size()); ++i)
    meaning_.emplace_back(first().dataset(i), names);
  for (const Opened& file : opened_)
    if (!file.arrays->is_twin()) require_same_meaning(*file.arrays);
  return meaning_.front();
}

void DecodedRows::deliver(const Geometry& geometry, bool bytes) {
  shape_ = shape_after(first().shape(), geometry, where());
  geometry_ = geometry;
  type_ = bytes ? PixelType::uint8 : PixelType::float32;
}

void DecodedRows::limit(const ValueLimits& limits, std::string reason) {
  limits_ = limits;
  limits_reason_ = std::move(reason);
}

void DecodedRows::mask_missing(const Geometry& geometry) {
  if (packs())
    throw base::BadInput(
        base::text(where(),
                   " holds sparse rows, which cannot have missing values: a value that is left out "
                   "is 0. Set data.missing to error"));
  masks_missing_ = true;
  limits_ = {};
  for (const ArrayFile::Part& part : first().parts()) {
    const auto marker = missing_value(
        [&](const char* name) { return part.stored->dataset().number_attribute(name); });
    missing_.resize(missing_.size() + static_cast<std::size_t>(part.channels), marker);
  }
  deliver(geometry, false);
}

std::vector<std::string> DecodedRows::source_files() const {
  if (lazy_) return files_;
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  for (const Opened& file : opened_)
    if (file.arrays->sparse()) out.push_back(file.arrays->first().dataset().file());
  for (const Opened& file : opened_)
    for (const ArrayFile::Part& part : file.arrays->parts())
      for (const std::string& source : part.stored->dataset().source_files())
        if (seen.insert(source).second) out.push_back(source);
  return out;
}

std::string DecodedRows::where() const {
  const std::string here = first().where();
  return files_.size() == 1 ? here
                            : base::text(here, " and ", files_.size() - 1,
                                         files_.size() == 2 ? " more file" : " more files");
}

DecodedRows::Opened DecodedRows::file_of(std::int64_t row) const {
  // A file that is used at most once an epoch is not opened again later: it is closed for good.
  if (lazy_)
    return {lazy_->get(row, [&] { return open(static_cast<std::size_t>(row), false); }), row};
  return *std::prev(
      std::upper_bound(opened_.begin(), opened_.end(), row,
                       [](std::int64_t r, const Opened& file) { return r < file.first; }));
}

RowRange DecodedRows::block_of(std::int64_t row) const {
  if (lazy_) return {row, row + 1};
  const Opened file = file_of(row);
  const hdf5::RowBlocks blocks = file.arrays->blocks();
  const std::int64_t first = blocks.first_of(row - file.first);
  return {file.first + first, file.first + first + blocks.size_at(first)};
}

std::int64_t DecodedRows::longest_block() const {
  std::int64_t longest = 0;
  for (const Opened& file : opened_) longest = std::max(longest, file.arrays->blocks().longest());
  return longest;
}

std::int64_t DecodedRows::equal_blocks_from(std::int64_t row, std::int64_t last) const {
  if (lazy_) return last - row;
  const Opened file = file_of(row);
  const hdf5::RowBlocks blocks = file.arrays->blocks();
  const std::int64_t length = blocks.size_at(row - file.first);
  // Where the last block of a unit is shorter, the equal ones end with the unit.
  const std::int64_t rows = file.arrays->rows(),
                     past = blocks.unit % length == 0
                                ? rows
                                : ((row - file.first) / blocks.unit + 1) * blocks.unit;
  return std::max<std::int64_t>(1, (std::min(last, file.first + past) - row) / length);
}

bool DecodedRows::reads_single_rows() const {
  return lazy_ || packs() || std::all_of(opened_.begin(), opened_.end(), [](const Opened& file) {
           return std::all_of(file.arrays->parts().begin(), file.arrays->parts().end(),
                              [](const auto& part) { return part.stored->reads_single_rows(); });
         });
}

std::uint64_t DecodedRows::stored_bytes() const {
  const std::size_t looked_at = std::min(opened_.size(), kInspectedFiles);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < looked_at; ++i)
    for (const ArrayFile::Part& part : opened(i).parts())
      bytes += part.stored->dataset().stored_bytes();
  for (std::size_t i = 0; i < looked_at; ++i)
    if (opened(i).sparse()) bytes += 2 * opened(i).first().dataset().stored_bytes();
  return bytes * files_.size() / looked_at;
}

std::int64_t DecodedRows::chunks_decoded() const {
  std::int64_t sum = 0;
  for (const Opened& file : opened_)
    for (const ArrayFile::Part& part : file.arrays->parts()) sum += part.stored->counts().chunks;
  for (const Opened& file : opened_)
    if (file.arrays->sparse()) sum += file.arrays->first().counts().chunks;
  return sum;
}

void DecodedRows::will_need(std::int64_t first, std::int64_t count) const {
  if (lazy_) return;
  const Opened file = file_of(first);
  if (file.arrays->sparse()) file.arrays->sparse()->will_need(first - file.first, count);
  for (const ArrayFile::Part& part : file.arrays->parts())
    part.stored->will_need(first - file.first, count);
}

std::size_t DecodedRows::packed_bytes(std::int64_t first, std::int64_t count) const {
  if (!packs()) return static_cast<std::size_t>(count) * image_bytes();
  if (count == 0) return 0;
  const Opened file = file_of(first);
  return static_cast<std::size_t>(file.arrays->sparse()->entries(first - file.first, count)) *
         sizeof(hdf5::SparseEntry);
}

void DecodedRows::read_packed(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                              RowBuffers& buffers) const {
  if (!packs()) return read(first, count, out, buffers);
  if (count == 0) return;
  const Opened file = file_of(first);
  base::require_bytes("DecodedRows::read_packed", out.size(), packed_bytes(first, count));
  // The memory is that of bytes; entries are made elsewhere and copied.
  std::vector<hdf5::SparseEntry> entries(out.size() / sizeof(hdf5::SparseEntry));
  file.arrays->sparse()->read(first - file.first, count, entries, buffers.decode);
  std::memcpy(out.data(), entries.data(), out.size());
  for (std::int64_t row = 0; row < count; ++row)
    check_entries(*file.arrays, first - file.first + row,
                  std::span<const std::byte>(out).subspan(packed_bytes(first, row),
                                                          packed_bytes(first + row, 1)));
}

void DecodedRows::unpack(std::span<const std::byte> packed, std::span<std::byte> out) const {
  std::fill(out.begin(), out.end(), std::byte{});
  for (std::size_t at = 0; at < packed.size(); at += sizeof(hdf5::SparseEntry)) {
    hdf5::SparseEntry entry;
    std::memcpy(&entry, packed.data() + at, sizeof entry);
    std::memcpy(out.data() + entry.column * sizeof(float), &entry.value, sizeof(float));
  }
}

std::size_t DecodedRows::longest_block_bytes() const {
  if (!packs()) return static_cast<std::size_t>(longest_block()) * image_bytes();
  std::size_t longest = 0;
  for (const Opened& file : opened_) {
    const std::int64_t rows = file.arrays->rows(), block = file.arrays->blocks().block;
    for (std::int64_t row = 0; row < rows; row += block)
      longest = std::max(longest, packed_bytes(file.first + row, std::min(block, rows - row)));
  }
  return longest;
}

// Entries beyond the limits; a value that is left out is 0, which all limits allow.
void DecodedRows::check_entries(const ArrayFile& file, std::int64_t row,
                                std::span<const std::byte> packed) const {
  for (std::size_t at = 0; at < packed.size(); at += sizeof(hdf5::SparseEntry)) {
    hdf5::SparseEntry entry;
    std::memcpy(&entry, packed.data() + at, sizeof entry);
    if (!limits_.allows(entry.value)) refuse_value(file, row, entry.value, entry.column);
  }
}

void DecodedRows::read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                       RowBuffers& buffers) const {
  base::require_bytes("DecodedRows::read", out.size(),
                      static_cast<std::size_t>(count) * image_bytes());
  while (count > 0) {
    const Opened file = file_of(first);
    const std::int64_t now = std::min(count, file.first + file.arrays->rows() - first);
    if (packs()) {
      buffers.packed.resize(packed_bytes(first, now));
      read_packed(first, now, buffers.packed, buffers);
      for (std::int64_t row = 0; row < now; ++row)
        unpack(std::span<const std::byte>(buffers.packed)
                   .subspan(packed_bytes(first, row), packed_bytes(first + row, 1)),
               out.subspan(static_cast<std::size_t>(row) * image_bytes(), image_bytes()));
    } else
      read_file(*file.arrays, first - file.first, now,
                out.first(static_cast<std::size_t>(now) * image_bytes()), buffers);
    out = out.subspan(static_cast<std::size_t>(now) * image_bytes());
    first += now;
    count -= now;
  }
}

void DecodedRows::read_file(const ArrayFile& file, std::int64_t first, std::int64_t count,
                            std::span<std::byte> out, RowBuffers& buffers) const {
  const bool one = file.parts().size() == 1;
  if (one && file.holds_bytes() && geometry_.is_identity() && type_ == PixelType::uint8) {
    file.first().read(first, count, out, buffers.decode);
    if (limits_.allows_all_bytes()) return;
    for (std::int64_t row = 0; row < count; ++row)
      check_bytes(file, first + row,
                  out.subspan(static_cast<std::size_t>(row) * image_bytes(), image_bytes()));
    return;
  }
  // Floats as they are delivered go straight to their place.
  if (one && !masks_missing_ && file.first().number().is_float() && geometry_.is_identity() &&
      type_ == PixelType::float32) {
    file.first().read(first, count, out, buffers.decode);
    for (std::int64_t row = 0; row < count; ++row) {
      const std::span<const std::byte> stored =
          out.subspan(static_cast<std::size_t>(row) * image_bytes(), image_bytes());
      const std::span values(reinterpret_cast<const float*>(stored.data()),
                             stored.size() / sizeof(float));
      if (const auto bad = hdf5::first_not_finite(values))
        refuse_not_finite(file.parts().front(), first + row, stored, *bad);
      check_values(file, first + row, values);
    }
    return;
  }

  const SpaceWindow whole = all_of(file.shape());
  read_stored(file, first, count, whole, buffers);
  const auto delivered = static_cast<std::size_t>(shape_.values());
  buffers.resized.resize(delivered);
  if (!geometry_.is_identity() && !buffers.resizer)
    buffers.resizer.emplace(file.shape(), file.layout(), geometry_);
  for (std::int64_t row = 0; row < count; ++row) {
    convert(file, first + row, row, count, whole, buffers);
    check_values(file, first + row, buffers.values);
    std::span<const float> image = buffers.values;
    if (!geometry_.is_identity()) {
      buffers.resizer->apply(buffers.values, buffers.resized);
      image = buffers.resized;
    }
    std::byte* to = out.data() + static_cast<std::size_t>(row) * image_bytes();
    if (type_ == PixelType::float32) {
      std::memcpy(to, image.data(), image_bytes());
    } else {
      for (std::size_t i = 0; i < delivered; ++i)
        to[i] = static_cast<std::byte>(static_cast<int>(std::floor(image[i] + 0.5f)));
    }
  }
}

void DecodedRows::read_window(std::int64_t row, const SpaceWindow& window, std::span<std::byte> out,
                              RowBuffers& buffers) const {
  const Opened file = file_of(row);
  const SampleShape shape{file.arrays->shape().channels, window.size};
  base::require_bytes("DecodedRows::read_window", out.size(),
                      static_cast<std::size_t>(shape.values()) * bytes_of(type_));
  read_stored(*file.arrays, row - file.first, 1, window, buffers);
  if (file.arrays->parts().size() == 1 && type_ == PixelType::uint8) {
    std::memcpy(out.data(), buffers.stored.data(), out.size());
    return check_bytes(*file.arrays, row - file.first, out);
  }
  convert(*file.arrays, row - file.first, 0, 1, window, buffers);
  check_values(*file.arrays, row - file.first, buffers.values);
  if (type_ == PixelType::float32) {
    std::memcpy(out.data(), buffers.values.data(), out.size());
  } else {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<std::byte>(static_cast<int>(buffers.values[i]));
  }
}

bool DecodedRows::reads_windows() const {
  return !packs() &&
         std::all_of(first().parts().begin(), first().parts().end(), [](const auto& part) {
           return part.stored->reads_single_rows() ||
                  (part.stored->chunks_per_block() > 1 && part.stored->blocks().longest() == 1);
         });
}

bool DecodedRows::rows_lie_alone() const {
  return !packs() && geometry_.is_identity() &&
         std::all_of(opened_.begin(), opened_.end(),
                     [](const Opened& file) { return file.arrays->blocks().longest() == 1; });
}

// The stored rows of each dataset lie one behind the other in buffers.stored.
void DecodedRows::read_stored(const ArrayFile& file, std::int64_t first, std::int64_t count,
                              const SpaceWindow& window, RowBuffers& buffers) const {
  std::size_t done = 0;
  for (const ArrayFile::Part& part : file.parts()) {
    const SpaceWindow along = part.axes.sample().along_axes(window, part.channels);
    const hdf5::Box box{along.first, along.size};
    const std::size_t bytes =
        static_cast<std::size_t>(count * box.values()) * part.stored->number().bytes;
    if (buffers.stored.size() < done + bytes) buffers.stored.resize(done + bytes);
    part.stored->read(first, count, box, std::span(buffers.stored).subspan(done, bytes),
                      buffers.decode);
    done += bytes;
  }
}

// Converts the row at `place` of `count` rows that read_stored() has read to floats, in
// buffers.values.
void DecodedRows::convert(const ArrayFile& file, std::int64_t row, std::int64_t place,
                          std::int64_t count, const SpaceWindow& window,
                          RowBuffers& buffers) const {
  const SampleShape shape{file.shape().channels, window.size};
  buffers.values.resize(static_cast<std::size_t>(shape.values()));
  std::span<const std::byte> stored = buffers.stored;
  for (const ArrayFile::Part& part : file.parts()) {
    const std::size_t bytes =
        static_cast<std::size_t>(shape.values() / shape.channels * part.channels) *
        part.stored->number().bytes;
    place_part(part, row, shape, stored.subspan(static_cast<std::size_t>(place) * bytes, bytes),
               buffers);
    stored = stored.subspan(static_cast<std::size_t>(count) * bytes);
  }
}

// Converts a dataset's row to floats, at its channels' place in buffers.values.
void DecodedRows::place_part(const ArrayFile::Part& part, std::int64_t row,
                             const SampleShape& shape, std::span<const std::byte> stored,
                             RowBuffers& buffers) const {
  const hdf5::StoredNumber& format = part.stored->number();
  const bool alone = first().parts().size() == 1;
  const std::size_t values = stored.size() / format.bytes;
  if (!alone) buffers.part.resize(values);
  const std::span<float> to = alone ? std::span(buffers.values) : std::span(buffers.part);
  auto bad = hdf5::to_floats(format, stored, to);
  if (masks_missing_) {
    if (const auto& marker = missing_[static_cast<std::size_t>(part.first_channel)])
      std::replace(to.begin(), to.end(), *marker, std::numeric_limits<float>::quiet_NaN());
    // What is missing is no error; what is infinite still is.
    const auto infinite =
        std::find_if(to.begin(), to.end(), [](float value) { return std::isinf(value); });
    bad = infinite == to.end() ? std::nullopt : std::optional(infinite - to.begin());
  }
  if (bad) refuse_not_finite(part, row, stored, *bad);
  if (alone) return;
  // The strides of the part's own axes in the whole sample.
  const SampleLayout own = part.axes.sample(), &all = first().layout();
  const std::vector<std::int64_t> sizes = own.sizes({part.channels, shape.space}),
                                  whole = hdf5::c_strides(all.sizes(shape));
  const std::int64_t channel_stride = whole.front();
  std::vector<std::int64_t> strides;
  for (const char axis : own.axes())
    strides.push_back(axis == 'C' || axis == 'V' ? channel_stride : whole[*all.position(axis)]);
  const auto as_bytes = [](float* p) { return reinterpret_cast<std::byte*>(p); };
  hdf5::copy_box(sizes, sizeof(float), {as_bytes(to.data()), hdf5::c_strides(sizes)},
                 {as_bytes(buffers.values.data() + part.first_channel * channel_stride), strides});
}

void DecodedRows::refuse_not_finite(const ArrayFile::Part& part, std::int64_t row,
                                    std::span<const std::byte> stored, std::size_t value) const {
  const hdf5::StoredNumber& format = part.stored->number();
  double number = 0;
  hdf5::to_doubles(format, stored.subspan(value * format.bytes, format.bytes), {&number, 1});
  throw base::Failure(base::text(
      part.stored->dataset().where(), ": row ", row, " holds a value that is not a finite number",
      std::isfinite(number) ? base::text(" in single precision: ", number) : "", " (value ", value,
      " of the sample)"));
}

void DecodedRows::check_delivered(std::int64_t row, std::span<const std::byte> image) const {
  const Opened file = file_of(row);
  if (type_ == PixelType::uint8) return check_bytes(*file.arrays, row - file.first, image);
  check_values(*file.arrays, row - file.first,
               {reinterpret_cast<const float*>(image.data()), image.size() / sizeof(float)});
}

void DecodedRows::check_bytes(const ArrayFile& file, std::int64_t row,
                              std::span<const std::byte> image) const {
  ValueRange range;
  range.include(image, PixelType::uint8);
  if (limits_.allows(range) && !limits_.missing) return;
  for (std::size_t i = 0; i < image.size(); ++i)
    if (const auto value = static_cast<float>(std::to_integer<int>(image[i]));
        !limits_.allows(value))
      refuse_value(file, row, value, i);
}

// Checks only the part of the image that is kept: a border that is cropped away may hold anything.
void DecodedRows::check_values(const ArrayFile& file, std::int64_t row,
                               std::span<const float> image) const {
  if (limits_.allows_all_finite() || masks_missing_) return;
  ValueRange range;
  range.include(image);
  if (limits_.allows(range) && !limits_.missing) return;
  for (std::size_t i = 0; i < image.size(); ++i)
    if (!limits_.allows(image[i]) && is_kept(i)) refuse_value(file, row, image[i], i);
}

// Whether the crop keeps this value of a sample as it is stored.
bool DecodedRows::is_kept(std::size_t value) const {
  if (!geometry_.crop) return true;
  const SampleLayout& layout = first().layout();
  const std::vector<std::int64_t> sizes = layout.sizes(first().shape());
  auto left = static_cast<std::int64_t>(value);
  for (std::size_t axis = sizes.size(); axis-- > 0; left /= sizes[axis]) {
    if (layout.axes()[axis] == 'C') continue;
    const std::int64_t begin = (sizes[axis] - *geometry_.crop) / 2, at = left % sizes[axis];
    if (at < begin || at >= begin + *geometry_.crop) return false;
  }
  return true;
}

void DecodedRows::refuse_value(const ArrayFile& file, std::int64_t row, float value,
                               std::size_t value_index) const {
  throw base::Failure(base::text(file.first().dataset().where(), ": row ", row, " holds ", value,
                                 " (value ", value_index, " of the sample)", limits_reason_));
}

}  // namespace vae_dist::arrays
