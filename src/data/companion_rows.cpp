#include "data/companion_rows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "base/error.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kBlockValues = 1 << 16;

// The dataset of each file that belongs to the images there.
class CompanionFiles {
 public:
  CompanionFiles(const ImageRows& rows, const std::string& path) {
    for (std::size_t i = 0; i < rows.files().size(); ++i) {
      Hdf5Dataset part = rows.file(i).dataset(path);
      const std::vector<std::int64_t>& shape = part.shape();
      const std::int64_t images = rows.stored(i).rows();
      if (!part.number()) throw BadInput(text(part.where(), " holds ", part.type_name(), " values: labels and factors are plain numbers"));
      if ((shape.size() != 1 && shape.size() != 2) || shape[0] != images || (shape.size() == 2 && shape[1] == 0))
        throw BadInput(text(part.where(), " has shape ", shape_text(shape), ": labels of ", images, " images are [", images, "], factors [", images, ", F]"));
      if (i > 0 && std::vector(shape.begin() + 1, shape.end()) != std::vector(first().shape().begin() + 1, first().shape().end()))
        throw BadInput(text(part.where(), " has shape ", shape_text(shape), ", but ", first().where(), " ", shape_text(first().shape()), ": only the first axis may differ"));
      if (i > 0 && part.text_list_attribute("names") != first().text_list_attribute("names"))
        throw BadInput(text(part.where(), " has other `names` than ", first().where(), ": its numbers mean something else"));
      parts_.push_back({std::move(part), rows_});
      rows_ += images;
    }
  }

  const Hdf5Dataset& first() const { return parts_.front().dataset; }
  std::int64_t columns() const { return first().shape().size() == 2 ? first().shape()[1] : 1; }

  // Of the block that holds `row`, which stays until a row of another one is asked for.
  std::span<const double> read(std::int64_t row) {
    if (row < block_.first || row >= block_.last) {
      const auto& part = *std::prev(std::upper_bound(parts_.begin(), parts_.end(), row, [](std::int64_t r, const Part& p) { return r < p.first_row; }));
      const std::int64_t in_block = std::max<std::int64_t>(1, kBlockValues / columns()), begin = (row - part.first_row) / in_block * in_block;
      const std::int64_t count = std::min(in_block, part.dataset.shape()[0] - begin);
      values_.resize(static_cast<std::size_t>(count * columns()));
      block_ = {};  // if reading fails
      part.dataset.read_rows(begin, count, std::span(values_));
      block_ = {part.first_row + begin, part.first_row + begin + count};
      block_of_ = &part;
    }
    const auto values = std::span<const double>(values_).subspan(static_cast<std::size_t>((row - block_.first) * columns()), static_cast<std::size_t>(columns()));
    if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
      throw BadInput(text(block_of_->dataset.where(), ": row ", row - block_of_->first_row, " holds a value that is no finite number"));
    return values;
  }

 private:
  struct Part {
    Hdf5Dataset dataset;
    std::int64_t first_row;
  };
  std::vector<Part> parts_;
  std::int64_t rows_ = 0;
  RowRange block_;
  const Part* block_of_ = nullptr;
  std::vector<double> values_;
};

}  // namespace

CompanionRows read_companion(const ImageDataset& images, const std::string& path, std::span<const std::int64_t> samples) {
  CompanionFiles files(images.rows(), path);
  CompanionRows out{.columns = files.columns(), .values = {}, .names = files.first().text_list_attribute("names")};
  std::vector<std::int64_t> rows, order(samples.size());
  for (const std::int64_t sample : samples) {
    if (sample < 0 || sample >= images.size()) throw std::out_of_range(text("sample ", sample, " of ", images.size()));
    rows.push_back(images.samples().row(sample));
  }
  // In the order of the file each block is read once.
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return rows[static_cast<std::size_t>(a)] < rows[static_cast<std::size_t>(b)]; });
  out.values.resize(samples.size() * static_cast<std::size_t>(out.columns));
  for (const std::int64_t i : order) {
    const std::span<const double> row = files.read(rows[static_cast<std::size_t>(i)]);
    std::copy(row.begin(), row.end(), out.values.begin() + i * out.columns);
  }
  return out;
}

CompanionRows read_companion(const ImageDataset& images, const std::string& path) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(images.size()));
  std::iota(samples.begin(), samples.end(), 0);
  return read_companion(images, path, samples);
}

}  // namespace vae_dist
