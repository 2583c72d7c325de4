#include "datasets/channel_summary.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

namespace vae_dist::datasets {
namespace {

constexpr std::int64_t kBars = 64;
// Whole numbers over a range up to this get a bar each.
constexpr double kMostWholeNumbers = 255;

// What is missing by its mark comes as kMissing.
using TakeValue = std::function<void(std::size_t channel, std::optional<double> value)>;
constexpr std::nullopt_t kMissing = std::nullopt;

// Sums of the finite values of a channel. The squares are those of the distances from the first
// value, so that a large mean does not swallow a small deviation.
struct Sums {
  std::int64_t values = 0, zeros = 0, not_finite = 0, missing = 0;
  double origin = 0, sum = 0, squares = 0;
  double least = std::numeric_limits<double>::infinity(),
         largest = -std::numeric_limits<double>::infinity();
  bool whole = true;

  void add(std::optional<double> any) {
    ++values;
    if (!any) {
      ++missing;
      return;
    }
    const double value = *any;
    if (!std::isfinite(value)) {
      ++not_finite;
      return;
    }
    if (known() == 1) origin = value;
    zeros += value == 0 ? 1 : 0;
    sum += value - origin;
    squares += (value - origin) * (value - origin);
    least = std::min(least, value);
    largest = std::max(largest, value);
    whole = whole && value == std::floor(value);
  }

  std::int64_t known() const { return values - not_finite - missing; }

  ChannelSummary summary() const {
    ChannelSummary out{
        .values = values, .zeros = zeros, .not_finite = not_finite, .missing = missing};
    const auto count = static_cast<double>(known());
    out.least = out.largest = out.mean = out.deviation = std::nan("");
    if (count == 0) return out;
    const double distance = sum / count;
    out.least = least;
    out.largest = largest;
    out.mean = origin + distance;
    out.deviation = std::sqrt(std::max(0.0, squares / count - distance * distance));
    const bool each = whole && largest - least <= kMostWholeNumbers;
    const double air = each ? 0.5 : largest > least ? 0 : 0.5 * std::max(std::fabs(least), 1e-30);
    out.bars_from = least - air;
    out.bars_to = largest + air;
    out.histogram.resize(static_cast<std::size_t>(each ? largest - least + 1 : kBars));
    return out;
  }
};

void count(ChannelSummary& channel, std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return;
  const auto bars = static_cast<double>(channel.histogram.size());
  const double place = (*value - channel.bars_from) / (channel.bars_to - channel.bars_from) * bars;
  ++channel.histogram[static_cast<std::size_t>(std::clamp(std::floor(place), 0.0, bars - 1))];
}

// Calls read(first, count) for blocks of rows: all, or evenly spaced ones. Returns their rows.
std::int64_t for_blocks(std::int64_t rows, std::int64_t block, std::size_t row_bytes,
                        std::uint64_t most_bytes,
                        const std::function<void(std::int64_t first, std::int64_t count)>& read) {
  const std::int64_t blocks = (rows + block - 1) / block,
                     affordable = std::max<std::int64_t>(
                         1, static_cast<std::int64_t>(most_bytes /
                                                      std::max<std::size_t>(1, row_bytes)) /
                                block),
                     taken = std::min(blocks, affordable);
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < taken; ++i) {
    const std::int64_t first = i * blocks / taken * block, size = std::min(block, rows - first);
    read(first, size);
    done += size;
  }
  return done;
}

std::int64_t read_part(const arrays::ArrayFile::Part& part, const arrays::SampleShape& shape,
                       std::uint64_t most_bytes, const TakeValue& take) {
  const arrays::SampleLayout own = part.axes.sample();
  const std::vector<std::int64_t> sizes = own.sizes({part.channels, shape.space});
  // Consecutive values of one channel; of vectors, whose values are one channel, all.
  const auto channels = own.position('C');
  const auto inside = static_cast<std::size_t>(
      std::accumulate(sizes.begin() + (channels ? static_cast<std::ptrdiff_t>(*channels) + 1 : 0),
                      sizes.end(), std::int64_t{1}, std::multiplies<>()));
  const hdf5::StoredRows& stored = *part.stored;
  // Marks are compared in single precision, as when samples are read.
  const std::optional<float> mark = arrays::missing_value(
      [&](const char* name) { return stored.dataset().number_attribute(name); });
  hdf5::DecodeBuffers buffers;
  std::vector<std::byte> bytes;
  std::vector<double> values;
  return for_blocks(
      stored.rows(), std::max<std::int64_t>(1, stored.blocks().block), stored.row_bytes(),
      most_bytes, [&](std::int64_t first, std::int64_t size) {
        bytes.resize(static_cast<std::size_t>(size) * stored.row_bytes());
        stored.read(first, size, bytes, buffers);
        values.resize(bytes.size() / stored.number().bytes);
        hdf5::to_doubles(stored.number(), bytes, values);
        const auto count_of = channels ? static_cast<std::size_t>(part.channels) : std::size_t{1};
        const std::size_t place =
            own.position('V') ? 0 : static_cast<std::size_t>(part.first_channel);
        for (std::size_t i = 0; i < values.size(); ++i)
          take(
              place + (channels ? i / inside % count_of : 0),
              mark && static_cast<float>(values[i]) == *mark ? kMissing : std::optional(values[i]));
      });
}

// The rows of a sparse matrix with their zeros.
std::int64_t read_vectors(const arrays::DecodedRows& rows, std::uint64_t most_bytes,
                          const TakeValue& take) {
  arrays::RowBuffers buffers;
  std::vector<std::byte> bytes(rows.image_bytes());
  std::vector<double> values(static_cast<std::size_t>(rows.shape().values()));
  const bool floats = rows.type() == arrays::PixelType::float32;
  const hdf5::StoredNumber number{
      floats ? hdf5::StoredNumber::Kind::ieee_float : hdf5::StoredNumber::Kind::unsigned_integer,
      arrays::bytes_of(rows.type())};
  return for_blocks(rows.rows(), 1, bytes.size(), most_bytes,
                    [&](std::int64_t first, std::int64_t size) {
                      rows.read(first, size, bytes, buffers);
                      hdf5::to_doubles(number, bytes, values);
                      for (const double value : values) take(0, value);
                    });
}

std::int64_t read_values(const arrays::DecodedRows& rows, std::uint64_t most_bytes,
                         const TakeValue& take) {
  const arrays::ArrayFile& file = rows.opened(0);
  if (file.sparse()) return read_vectors(rows, most_bytes, take);
  std::int64_t samples = 0;
  for (const arrays::ArrayFile::Part& part : file.parts())
    samples = read_part(part, file.shape(), most_bytes / file.parts().size(), take);
  return samples;
}

}  // namespace

FileSummary summarise(const arrays::DecodedRows& rows, std::uint64_t most_bytes) {
  const arrays::SampleShape& shape = rows.opened(0).shape();
  std::vector<Sums> sums(shape.space.empty() ? 1 : static_cast<std::size_t>(shape.channels));
  FileSummary out;
  out.samples = read_values(
      rows, most_bytes,
      [&](std::size_t channel, std::optional<double> value) { sums[channel].add(value); });
  for (const Sums& sum : sums) out.channels.push_back(sum.summary());
  read_values(rows, most_bytes, [&](std::size_t channel, std::optional<double> value) {
    count(out.channels[channel], value);
  });
  return out;
}

}  // namespace vae_dist::datasets
