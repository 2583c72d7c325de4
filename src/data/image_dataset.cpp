#include "data/image_dataset.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace vae_dist {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

bool is_channel_count(std::int64_t n) { return n == 1 || n == 3; }

// Labels are [N], factors [N, k]: neither is mistaken for images.
bool is_image_shaped(const Hdf5Dataset& d) {
  const auto& s = d.shape();
  if (s.size() == 3) return s[1] > 1 && s[2] > 1;
  return s.size() == 4 && (is_channel_count(s[1]) || is_channel_count(s[3]));
}

Hdf5Dataset find_dataset(const Hdf5File& file, const ImageSource& source) {
  if (source.dataset) return file.dataset(*source.dataset);
  std::vector<Hdf5Dataset> candidates;
  std::string all;
  for (const std::string& path : file.dataset_paths()) {
    Hdf5Dataset d = file.dataset(path);
    all += text("\n  ", path, " ", shape_text(d.shape()), " ", d.type_name());
    if (is_image_shaped(d)) candidates.push_back(std::move(d));
  }
  if (candidates.size() == 1) return candidates[0];
  throw BadInput(text(file.path(), ": ", candidates.empty() ? "no dataset looks like images ([N, H, W], [N, H, W, C] or [N, C, H, W])" : "several datasets look like images",
                      "; choose one with data.train.dataset. The file holds:", all.empty() ? " nothing" : all));
}

ImageLayout find_layout(const Hdf5Dataset& d, const std::string& wanted, const std::string& place) {
  const auto& s = d.shape();
  if (s.size() != 3 && s.size() != 4)
    throw BadInput(text(place, " has shape ", shape_text(s), ": images are [N, H, W], [N, H, W, C] or [N, C, H, W]"));
  if (wanted == "NHW" && s.size() == 3) return ImageLayout::nhw;
  if (wanted == "NHWC" && s.size() == 4) return ImageLayout::nhwc;
  if (wanted == "NCHW" && s.size() == 4) return ImageLayout::nchw;
  if (wanted != "auto") throw BadInput(text(place, " has shape ", shape_text(s), ", which cannot be read as layout ", wanted));
  if (s.size() == 3) return ImageLayout::nhw;
  const bool last = is_channel_count(s[3]), first = is_channel_count(s[1]);
  if (last != first) return last ? ImageLayout::nhwc : ImageLayout::nchw;
  throw BadInput(text(place, " has shape ", shape_text(s), ": which axis holds the channels cannot be told; set layout to NHWC or NCHW"));
}

ImageShape image_shape(const std::vector<std::int64_t>& s, ImageLayout layout) {
  switch (layout) {
    case ImageLayout::nhw: return {1, s[1], s[2]};
    case ImageLayout::nhwc: return {s[3], s[1], s[2]};
    case ImageLayout::nchw: return {s[1], s[2], s[3]};
  }
  return {};
}

// Up to `count` rows spread evenly over the dataset.
std::vector<std::int64_t> spread_rows(std::int64_t rows, std::int64_t count) {
  std::vector<std::int64_t> out;
  const std::int64_t n = std::min(rows, count);
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i * rows / n);
  return out;
}

constexpr std::int64_t kRowsLookedAt = 64;
// Rows decoded by one call into the library: bounds its conversion buffers.
constexpr std::int64_t kRowsPerRead = 1024;

}  // namespace

const char* layout_name(ImageLayout layout) {
  switch (layout) {
    case ImageLayout::nhw: return "NHW";
    case ImageLayout::nhwc: return "NHWC";
    case ImageLayout::nchw: return "NCHW";
  }
  return "";
}

ImageDataset ImageDataset::open(const ImageSource& source, std::uint64_t memory_budget) {
  Hdf5File file = Hdf5File::open(source.file);
  Hdf5Dataset found = find_dataset(file, source);
  ImageDataset out(std::move(file), std::move(found));
  const std::string place = text(source.file, ":/", out.dataset_.path());

  out.layout_ = find_layout(out.dataset_, source.layout, place);
  out.shape_ = image_shape(out.dataset_.shape(), out.layout_);
  if (out.dataset_.type() != ElementType::uint8)
    throw BadInput(text(place, " holds ", out.dataset_.type_name(), " values; this version reads uint8 images. Convert them to uint8 (0-255) first."));

  const std::int64_t stored_rows = out.dataset_.shape()[0];
  out.rows_ = stored_rows;
  if (!source.rows.empty()) {
    if (source.rows[0] < 0 || source.rows[1] > stored_rows || source.rows[0] >= source.rows[1])
      throw BadInput(text(place, " has ", stored_rows, " rows; rows [", source.rows[0], ", ", source.rows[1], "] are not within it"));
    out.first_row_ = source.rows[0];
    out.rows_ = source.rows[1] - source.rows[0];
  }
  if (out.rows_ == 0 || out.shape_.values() == 0) throw BadInput(text(place, " has shape ", shape_text(out.dataset_.shape()), ": there are no images in it"));

  const auto image_bytes = static_cast<std::uint64_t>(out.shape_.values());
  if (static_cast<std::uint64_t>(out.rows_) <= memory_budget / image_bytes) {
    std::vector<std::uint8_t> memory(static_cast<std::size_t>(out.rows_) * image_bytes);
    for (std::int64_t first = 0; first < out.rows_; first += kRowsPerRead) {
      const std::int64_t rows = std::min(kRowsPerRead, out.rows_ - first);
      out.dataset_.read_rows(out.first_row_ + first, rows,
                             std::span(memory).subspan(static_cast<std::size_t>(first) * image_bytes, static_cast<std::size_t>(rows) * image_bytes));
    }
    out.memory_ = std::move(memory);
  }

  if (source.scale) {
    out.scale_ = *source.scale;
  } else {
    // Binary images (dSprites) hold 0 and 1; a dataset of grey levels with no value above 1 would be black.
    std::vector<std::uint8_t> image(image_bytes);
    std::uint8_t largest = 0;
    for (const std::int64_t row : spread_rows(out.rows_, kRowsLookedAt)) {
      out.read(row, image);
      largest = std::max(largest, *std::max_element(image.begin(), image.end()));
    }
    out.scale_ = largest <= 1 ? 1.0 : 1.0 / 255.0;
  }
  return out;
}

void ImageDataset::read(std::int64_t index, std::span<std::uint8_t> out) const {
  if (index < 0 || index >= rows_) throw std::out_of_range(text("sample ", index, " of ", rows_));
  if (in_memory()) {
    std::memcpy(out.data(), memory_.data() + index * shape_.values(), static_cast<std::size_t>(shape_.values()));
  } else {
    dataset_.read_rows(first_row_ + index, 1, out);
  }
}

std::string ImageDataset::fingerprint() const {
  std::uint64_t hash = hash_text(text(rows_, " ", shape_.channels, " ", shape_.height, " ", shape_.width, " ", layout_name(layout_)));
  std::vector<std::uint8_t> image(static_cast<std::size_t>(shape_.values()));
  for (const std::int64_t row : spread_rows(rows_, kRowsLookedAt)) {
    read(row, image);
    hash = hash_bytes(image.data(), image.size(), hash);
  }
  return hash_name(hash);
}

std::string ImageDataset::description() const {
  const std::string values = scale_ == 1.0 ? "0/1" : scale_ == 1.0 / 255.0 ? "0-255" : text("times ", scale_);
  return text(file_.path(), ":/", dataset_.path(), ": ", rows_, " images ", shape_.channels, "x", shape_.height, "x", shape_.width, " (", layout_name(layout_),
              ", uint8 ", values, ")");
}

}  // namespace vae_dist
