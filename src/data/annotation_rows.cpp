#include "data/annotation_rows.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <type_traits>

#include "base/error.hpp"

namespace vae_dist::data {
namespace {

constexpr std::int64_t kBlockValues = 1 << 16;

// The annotation dataset of each file.
class AnnotationFiles {
 public:
  AnnotationFiles(const arrays::DecodedRows& rows, const std::string& path) {
    for (std::size_t i = 0; i < rows.opened_files(); ++i) {
      hdf5::Hdf5Dataset part = rows.file(i).dataset(path);
      const std::vector<std::int64_t>& shape = part.shape();
      const std::int64_t images = rows.opened(i).rows();
      if (!part.number())
        throw base::BadInput(base::text(part.where(), " holds ", part.type_name(),
                                        " values; labels and factors must be plain numbers"));
      if ((shape.size() != 1 && shape.size() != 2) || shape[0] != images ||
          (shape.size() == 2 && shape[1] == 0))
        throw base::BadInput(base::text(part.where(), " has shape ", hdf5::shape_text(shape),
                                        ": labels of ", images, " images are [", images,
                                        "], factors [", images, ", F]"));
      if (i > 0 && std::vector(shape.begin() + 1, shape.end()) !=
                       std::vector(first().shape().begin() + 1, first().shape().end()))
        throw base::BadInput(base::text(
            part.where(), " has shape ", hdf5::shape_text(shape), ", but ", first().where(),
            " has shape ", hdf5::shape_text(first().shape()), ": only the first axis may differ"));
      if (i > 0 && part.number() != first().number())
        throw base::BadInput(base::text(part.where(), " holds ", part.type_name(), " values, but ",
                                        first().where(), " holds ", first().type_name(),
                                        " values (or the same in another byte order)"));
      if (i > 0 && part.text_list_attribute("names") != first().text_list_attribute("names"))
        throw base::BadInput(base::text(part.where(), " does not have the same `names` as ",
                                        first().where(),
                                        ", so their numbers have different meanings"));
      if (rows.opened_files() > 1) part.close_when_idle();
      parts_.push_back({std::move(part), rows_});
      rows_ += images;
    }
  }

  const hdf5::Hdf5Dataset& first() const { return parts_.front().dataset; }
  std::int64_t columns() const { return first().shape().size() == 2 ? first().shape()[1] : 1; }

  std::size_t row_bytes() const {
    return static_cast<std::size_t>(columns()) * first().number()->bytes;
  }

  // Returns a row as stored. The result is valid until a row of another block is requested.
  std::span<const std::byte> read(std::int64_t row) {
    if (row < block_.first || row >= block_.last) {
      const Part& part = part_of(row);
      const std::int64_t in_block = std::max<std::int64_t>(1, kBlockValues / columns()),
                         begin = (row - part.first_row) / in_block * in_block;
      const std::int64_t count = std::min(in_block, part.dataset.shape()[0] - begin);
      values_.resize(static_cast<std::size_t>(count) * row_bytes());
      block_ = {};  // in case reading fails
      part.dataset.read_stored(begin, count, values_);
      block_ = {part.first_row + begin, part.first_row + begin + count};
    }
    return std::span<const std::byte>(values_).subspan(
        static_cast<std::size_t>(row - block_.first) * row_bytes(), row_bytes());
  }

  // Names a row in messages.
  std::string where(std::int64_t row) const {
    const Part& part = part_of(row);
    return base::text(part.dataset.where(), ": row ", row - part.first_row);
  }

 private:
  struct Part {
    hdf5::Hdf5Dataset dataset;
    std::int64_t first_row;
  };

  const Part& part_of(std::int64_t row) const {
    return *std::prev(
        std::upper_bound(parts_.begin(), parts_.end(), row,
                         [](std::int64_t r, const Part& p) { return r < p.first_row; }));
  }

  std::vector<Part> parts_;
  std::int64_t rows_ = 0;
  arrays::RowRange block_;
  std::vector<std::byte> values_;
};

// Calls take(number format, stored row, destination, function that names the row) for each sample.
template <typename Value, typename Take>
AnnotationRows<Value> rows_of(const SampleDataset& images, const std::string& path,
                              std::span<const std::int64_t> samples, Take take) {
  AnnotationFiles files(images.rows(), path);
  AnnotationRows<Value> out{.columns = files.columns(),
                            .values = {},
                            .names = files.first().text_list_attribute("names")};
  const hdf5::StoredNumber number = *files.first().number();
  const std::size_t width =
      std::is_same_v<Value, std::byte> ? files.row_bytes() : static_cast<std::size_t>(out.columns);
  std::vector<std::int64_t> rows, order(samples.size());
  for (const std::int64_t sample : samples) {
    if (sample < 0 || sample >= images.size())
      throw std::out_of_range(base::text(
          "sample ", sample, " is out of range; the number of samples is ", images.size()));
    rows.push_back(images.samples().row(sample));
  }
  // Reads in the order of the file, so that each block is read once.
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return rows[static_cast<std::size_t>(a)] < rows[static_cast<std::size_t>(b)];
  });
  out.values.resize(samples.size() * width);
  for (const std::int64_t i : order) {
    const std::int64_t row = rows[static_cast<std::size_t>(i)];
    const std::span<const std::byte> stored = files.read(row);
    take(number, stored, std::span(out.values).subspan(static_cast<std::size_t>(i) * width, width),
         [&] { return files.where(row); });
  }
  return out;
}

}  // namespace

AnnotationRows<double> read_annotation(const SampleDataset& images, const std::string& path,
                                       std::span<const std::int64_t> samples) {
  return rows_of<double>(images, path, samples,
                         [](const hdf5::StoredNumber& number, auto stored, std::span<double> out,
                            auto) { hdf5::to_doubles(number, stored, out); });
}

AnnotationRows<std::int64_t> read_annotation_integers(const SampleDataset& images,
                                                      const std::string& path,
                                                      std::span<const std::int64_t> samples) {
  return rows_of<std::int64_t>(
      images, path, samples,
      [](const hdf5::StoredNumber& number, auto stored, std::span<std::int64_t> out, auto where) {
        if (hdf5::to_integers(number, stored, out))
          throw base::BadInput(base::text(where(), " holds a value that is not a whole number"));
      });
}

AnnotationRows<std::byte> read_annotation_bytes(const SampleDataset& images,
                                                const std::string& path,
                                                std::span<const std::int64_t> samples) {
  return rows_of<std::byte>(images, path, samples,
                            [](const hdf5::StoredNumber&, auto stored, std::span<std::byte> out,
                               auto) { std::copy(stored.begin(), stored.end(), out.begin()); });
}

AnnotationRows<double> read_annotation(const SampleDataset& images, const std::string& path) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(images.size()));
  std::iota(samples.begin(), samples.end(), 0);
  return read_annotation(images, path, samples);
}

}  // namespace vae_dist::data
