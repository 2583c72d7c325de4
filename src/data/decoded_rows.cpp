#include "data/decoded_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "base/require_bytes.hpp"

namespace vae_dist::data {
namespace {

hdf5::Hdf5Dataset find_dataset(const hdf5::Hdf5File& file, const std::optional<std::string>& name) {
  if (name) return file.dataset(*name);
  std::vector<hdf5::Hdf5Dataset> candidates;
  std::vector<std::string> all;
  const hdf5::Hdf5File::Contents contents = file.contents();
  for (const std::string& path : contents.datasets) {
    hdf5::Hdf5Dataset d = file.dataset(path);
    all.push_back(base::text(path, " ", hdf5::shape_text(d.shape()), " ", d.type_name()));
    if (is_image_shaped(d.shape()) && d.number()) candidates.push_back(std::move(d));
  }
  if (candidates.size() == 1) return candidates[0];
  for (const std::string& link : contents.dangling_links)
    all.push_back(base::text(link, ": a link whose target does not exist"));
  throw base::BadInput(base::text(
      file.path(), ": ",
      candidates.empty() ? "no dataset looks like images ([N, H, W], [N, H, W, C] or [N, C, H, W])"
                         : "several datasets look like images",
      "; choose one with data.train.dataset. The file holds:",
      all.empty() ? " nothing" : "\n  " + base::list_of_ten(all, "\n  ")));
}

AxesHints hints_of(const hdf5::Hdf5Dataset& dataset) {
  return {dataset.text_attribute("CLASS") == "IMAGE",
          !dataset.text_attribute("MATLAB_class").empty()};
}

std::string place_of(const hdf5::Hdf5Dataset& dataset) {
  return base::text(dataset.file(), ":/", dataset.path());
}

}  // namespace

DecodedRows::DecodedRows(const std::vector<std::string>& files,
                         const std::optional<std::string>& dataset, const std::string& layout)
    : files_(files) {
  std::int64_t rows = 0;
  for (const std::string& name : files) {
    hdf5::Hdf5File file = hdf5::Hdf5File::open(name);
    hdf5::Hdf5Dataset found = find_dataset(file, dataset);
    const SampleLayout found_layout =
        find_layout(found.shape(), layout, hints_of(found), place_of(found));
    const SampleShape shape = image_shape(found.shape(), found_layout);
    if (found.shape()[0] == 0 || shape.values() == 0)
      throw base::BadInput(base::text(place_of(found), " has shape ",
                                      hdf5::shape_text(found.shape()),
                                      ": there are no images in it"));
    if (files.size() > 1) found.close_when_idle();
    Part part{std::make_unique<hdf5::StoredRows>(std::move(found)), rows};
    if (parts_.empty()) {
      stored_shape_ = shape;
      layout_ = found_layout;
    } else if (const hdf5::Hdf5Dataset& first = stored(0).dataset(),
               &other = part.stored->dataset();
               shape != stored_shape_ || found_layout != layout_ ||
               part.stored->number() != number()) {
      throw base::BadInput(base::text(
          "the files do not hold the same kind of images: ", place_of(first), " is ",
          hdf5::shape_text(first.shape()), " ", first.type_name(), ", but ", place_of(other),
          " is ", hdf5::shape_text(other.shape()), " ", other.type_name()));
    }
    rows += part.stored->rows();
    parts_.push_back(std::move(part));
  }
  deliver({}, number().is_byte());
}

void DecodedRows::deliver(const Geometry& geometry, bool bytes) {
  shape_ = shape_after(stored_shape_, geometry, where());
  geometry_ = geometry;
  type_ = bytes ? PixelType::uint8 : PixelType::float32;
}

void DecodedRows::limit(const ValueLimits& limits, std::string reason) {
  limits_ = limits;
  limits_reason_ = std::move(reason);
}

std::vector<std::string> DecodedRows::source_files() const {
  std::vector<std::string> out;
  for (const Part& part : parts_)
    out.insert(out.end(), part.stored->dataset().source_files().begin(),
               part.stored->dataset().source_files().end());
  return out;
}

std::string DecodedRows::where() const {
  const std::string first = place_of(stored(0).dataset());
  return parts_.size() == 1 ? first
                            : base::text(first, " and ", parts_.size() - 1,
                                         parts_.size() == 2 ? " more file" : " more files");
}

const DecodedRows::Part& DecodedRows::part_of(std::int64_t row) const {
  return *std::prev(
      std::upper_bound(parts_.begin(), parts_.end(), row,
                       [](std::int64_t r, const Part& part) { return r < part.first; }));
}

RowRange DecodedRows::block_of(std::int64_t row) const {
  const Part& part = part_of(row);
  const std::int64_t block = part.stored->block_rows(), first = (row - part.first) / block * block;
  return {part.first + first, part.first + std::min(first + block, part.stored->rows())};
}

std::int64_t DecodedRows::longest_block() const {
  std::int64_t longest = 0;
  for (const Part& part : parts_)
    longest = std::max(longest, std::min(part.stored->block_rows(), part.stored->rows()));
  return longest;
}

std::int64_t DecodedRows::equal_blocks_from(std::int64_t row, std::int64_t last) const {
  const Part& part = part_of(row);
  const std::int64_t length = block_of(row).size();
  return std::max<std::int64_t>(1,
                                (std::min(last, part.first + part.stored->rows()) - row) / length);
}

bool DecodedRows::reads_single_rows() const {
  return std::all_of(parts_.begin(), parts_.end(), [](const Part& part) {
    return part.stored->dataset().storage() == hdf5::StorageKind::contiguous;
  });
}

std::uint64_t DecodedRows::stored_bytes() const {
  const std::size_t looked_at = std::min<std::size_t>(parts_.size(), 64);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < looked_at; ++i) bytes += stored(i).dataset().stored_bytes();
  return bytes * parts_.size() / looked_at;
}

std::int64_t DecodedRows::chunks_decoded() const {
  std::int64_t sum = 0;
  for (const Part& part : parts_) sum += part.stored->counts().chunks;
  return sum;
}

void DecodedRows::will_need(std::int64_t first, std::int64_t count) const {
  const Part& part = part_of(first);
  part.stored->will_need(first - part.first, count);
}

void DecodedRows::read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                       RowBuffers& buffers) const {
  base::require_bytes("DecodedRows::read", out.size(),
                      static_cast<std::size_t>(count) * image_bytes());
  while (count > 0) {
    const Part& part = part_of(first);
    const std::int64_t now = std::min(count, part.first + part.stored->rows() - first);
    read_part(part, first - part.first, now,
              out.first(static_cast<std::size_t>(now) * image_bytes()), buffers);
    out = out.subspan(static_cast<std::size_t>(now) * image_bytes());
    first += now;
    count -= now;
  }
}

void DecodedRows::read_part(const Part& part, std::int64_t first, std::int64_t count,
                            std::span<std::byte> out, RowBuffers& buffers) const {
  const hdf5::StoredRows& stored = *part.stored;
  if (number().is_byte() && geometry_.is_identity() && type_ == PixelType::uint8) {
    stored.read(first, count, out, buffers.decode);
    if (limits_.allows_all_bytes()) return;
    for (std::int64_t row = 0; row < count; ++row)
      check_bytes(part, first + row,
                  out.subspan(static_cast<std::size_t>(row) * image_bytes(), image_bytes()));
    return;
  }

  const std::size_t row_bytes = stored.row_bytes(),
                    bytes = static_cast<std::size_t>(count) * row_bytes;
  if (buffers.stored.size() < bytes) buffers.stored.resize(bytes);
  stored.read(first, count, std::span(buffers.stored).first(bytes), buffers.decode);
  const auto values = static_cast<std::size_t>(stored_shape_.values()),
             delivered = static_cast<std::size_t>(shape_.values());
  buffers.values.resize(values);
  buffers.resized.resize(delivered);
  if (!geometry_.is_identity() && !buffers.resizer)
    buffers.resizer.emplace(stored_shape_, layout_, geometry_);
  for (std::int64_t row = 0; row < count; ++row) {
    const auto bad = hdf5::to_floats(
        number(),
        std::span(buffers.stored).subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes),
        buffers.values);
    if (bad) {
      double value = 0;
      hdf5::to_doubles(
          number(),
          std::span(buffers.stored)
              .subspan(static_cast<std::size_t>(row) * row_bytes + *bad * number().bytes,
                       number().bytes),
          {&value, 1});
      throw base::Failure(
          base::text(stored.dataset().where(), ": row ", first + row,
                     " holds a value that is not a finite number",
                     std::isfinite(value) ? base::text(" in single precision: ", value) : "",
                     " (value ", *bad, " of the image)"));
    }
    check_values(part, first + row, buffers.values);
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

void DecodedRows::check_delivered(std::int64_t row, std::span<const std::byte> image) const {
  const Part& part = part_of(row);
  if (type_ == PixelType::uint8) return check_bytes(part, row - part.first, image);
  check_values(part, row - part.first,
               {reinterpret_cast<const float*>(image.data()), image.size() / sizeof(float)});
}

void DecodedRows::check_bytes(const Part& part, std::int64_t row,
                              std::span<const std::byte> image) const {
  ValueRange range;
  range.include(image, PixelType::uint8);
  if (limits_.allows(range) && !limits_.missing) return;
  for (std::size_t i = 0; i < image.size(); ++i)
    if (const auto value = static_cast<float>(std::to_integer<int>(image[i]));
        !limits_.allows(value))
      refuse_value(part, row, value, i);
}

// Checks only the part of the image that is kept: a border that is cropped away may hold anything.
void DecodedRows::check_values(const Part& part, std::int64_t row,
                               std::span<const float> image) const {
  ValueRange range;
  range.include(image);
  if (limits_.allows(range) && !limits_.missing) return;
  const bool last = layout_ == SampleLayout::nhwc;
  const SampleShape& s = stored_shape_;
  const std::int64_t height = geometry_.crop.value_or(s.height),
                     width = geometry_.crop.value_or(s.width), top = (s.height - height) / 2,
                     left = (s.width - width) / 2;
  for (std::int64_t y = top; y < top + height; ++y)
    for (std::int64_t x = left; x < left + width; ++x)
      for (std::int64_t c = 0; c < s.channels; ++c) {
        const auto i = static_cast<std::size_t>(last ? (y * s.width + x) * s.channels + c
                                                     : (c * s.height + y) * s.width + x);
        if (!limits_.allows(image[i])) refuse_value(part, row, image[i], i);
      }
}

void DecodedRows::refuse_value(const Part& part, std::int64_t row, float value,
                               std::size_t value_index) const {
  throw base::Failure(base::text(part.stored->dataset().where(), ": row ", row, " holds ", value,
                                 " (value ", value_index, " of the image)", limits_reason_));
}

}  // namespace vae_dist::data
