#include "data/channel_statistics.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "base/thread_team.hpp"
#include "comm/agreement.hpp"
#include "data/model_input.hpp"
#include "data/transform.hpp"

namespace vae_dist::data {
namespace {

// The parts' sums are gathered on every rank, so there are fewer of them for very long vectors.
constexpr std::int64_t kMostParts = 64, kMostGathered = std::int64_t{32} << 20;

// The sums of a part, by channel: number of values that are not missing (NaN), mean, squared
// distances from it, least and largest.
class Part {
 public:
  static constexpr std::size_t kNumbers = 5;

  // Lies in `room`, [kNumbers * channels] doubles.
  Part(std::span<double> room, std::size_t channels)
      : values_(room.subspan(0, channels)),
        mean_(room.subspan(channels, channels)),
        squares_(room.subspan(2 * channels, channels)),
        least_(room.subspan(3 * channels, channels)),
        largest_(room.subspan(4 * channels, channels)) {}

  void clear() {
    std::fill(values_.begin(), values_.end(), 0.0);
    std::fill(mean_.begin(), mean_.end(), 0.0);
    std::fill(squares_.begin(), squares_.end(), 0.0);
    std::fill(least_.begin(), least_.end(), std::numeric_limits<double>::infinity());
    std::fill(largest_.begin(), largest_.end(), -std::numeric_limits<double>::infinity());
  }

  // Adds a sample: [channels, values].
  void add(const double* sample, std::size_t values) {
    for (std::size_t c = 0; c < mean_.size(); ++c, sample += values) {
      double count = 0, sum = 0, squares = 0;
      for (std::size_t i = 0; i < values; ++i) {
        if (std::isnan(sample[i])) continue;
        ++count;
        sum += sample[i];
        least_[c] = std::min(least_[c], sample[i]);
        largest_[c] = std::max(largest_[c], sample[i]);
      }
      if (count == 0) continue;
      const double mean = sum / count;
      for (std::size_t i = 0; i < values; ++i)
        if (!std::isnan(sample[i])) squares += (sample[i] - mean) * (sample[i] - mean);
      join(c, count, mean, squares);
    }
  }

  void add(const Part& other) {
    for (std::size_t c = 0; c < mean_.size(); ++c) {
      join(c, other.values_[c], other.mean_[c], other.squares_[c]);
      least_[c] = std::min(least_[c], other.least_[c]);
      largest_[c] = std::max(largest_[c], other.largest_[c]);
    }
  }

  ChannelStatistics result() const {
    ChannelStatistics out{{mean_.begin(), mean_.end()},
                          {},
                          {least_.begin(), least_.end()},
                          {largest_.begin(), largest_.end()}};
    for (std::size_t c = 0; c < squares_.size(); ++c)
      out.deviation.push_back(std::sqrt(squares_[c] / std::max(values_[c], 1.0)));
    return out;
  }

 private:
  void join(std::size_t c, double values, double mean, double squares) {
    const double before = values_[c], all = before + values, distance = mean - mean_[c];
    if (values == 0) return;
    mean_[c] += distance * values / all;
    squares_[c] += squares + distance * distance * before * values / all;
    values_[c] = all;
  }

  std::span<double> values_, mean_, squares_, least_, largest_;
};

// Reads samples one after another; without memory, a block of rows at a time.
class Reader {
 public:
  explicit Reader(const SampleDataset& dataset) : dataset_(dataset) {}

  std::span<const std::byte> read(std::int64_t sample) {
    if (dataset_.in_memory() && !dataset_.rows().packs()) return dataset_.decoded(sample);
    if (dataset_.in_memory()) {
      rows_.resize(dataset_.rows().image_bytes());
      dataset_.rows().unpack(dataset_.decoded(sample), rows_);
      return rows_;
    }
    const std::size_t bytes = dataset_.rows().image_bytes();
    const std::int64_t row = dataset_.samples().row(sample);
    if (row < range_.first || row >= range_.last) {
      range_ = dataset_.rows().reads_single_rows() ? arrays::RowRange{row, row + 1}
                                                   : dataset_.rows().block_of(row);
      rows_.resize(static_cast<std::size_t>(range_.size()) * bytes);
      dataset_.rows().read(range_.first, range_.size(), rows_, buffers_);
    }
    return std::span(rows_).subspan(static_cast<std::size_t>(row - range_.first) * bytes, bytes);
  }

 private:
  const SampleDataset& dataset_;
  arrays::RowRange range_;
  std::vector<std::byte> rows_;
  arrays::RowBuffers buffers_;
};

}  // namespace

ChannelStatistics channel_statistics(const SampleDataset& dataset,
                                     const std::vector<std::string>& transforms,
                                     comm::CpuCommunicator& all_ranks, std::int64_t threads,
                                     const std::vector<std::string>& encoder_transforms) {
  // Of whole samples, also where steps see windows of them.
  const arrays::SampleShape& shape = dataset.rows().shape();
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t room = Part::kNumbers * channels;
  const std::int64_t parts = std::clamp<std::int64_t>(
      std::min(dataset.size(), kMostGathered / static_cast<std::int64_t>(room)), 1, kMostParts);
  std::vector<double> sums(static_cast<std::size_t>(parts) * room);
  const auto part = [&](std::int64_t number) {
    return Part(std::span(sums).subspan(static_cast<std::size_t>(number) * room, room), channels);
  };
  const std::int64_t first = all_ranks.rank() * parts / all_ranks.size(),
                     last = (all_ranks.rank() + 1) * parts / all_ranks.size();

  const auto applies = [&](const std::vector<std::string>& names) {
    return Normaliser(Normalisation::only(names, shape.channels), shape.space.size() + 2, c10::kCPU,
                      at::kDouble);
  };
  const Normaliser normaliser = applies(transforms);
  std::optional<Normaliser> encoder;
  if (!take_all_numbers(encoder_transforms)) encoder = applies(encoder_transforms);
  // A missing value (NaN) has no transform either.
  const auto require_numbers = [&](const at::Tensor& changed, const at::Tensor& raw,
                                   std::int64_t sample, const char* key) {
    if (at::isfinite(changed).logical_or(raw.isnan()).all().item<bool>()) return;
    throw base::BadInput(base::text(
        dataset.rows().where(), ": row ", dataset.samples().row(sample), " holds a value that ",
        key, " cannot be applied to: choose another one (log1p takes values above -1, log above ",
        "0, sqrt from 0 on, asinh all), or leave out the row"));
  };
  InputFormat format;
  format.shape = shape;
  format.layout = dataset.layout();
  format.pixels = dataset.rows().type();
  format.channels_last = false;
  format.type = at::kDouble;
  format.scale = 1;
  comm::agree(all_ranks, [&] {
    base::ThreadTeam(static_cast<int>(threads))
        .divide(last - first, [&](std::int64_t from, std::int64_t to) {
          const c10::InferenceMode no_grad;
          Reader reader(dataset);
          for (std::int64_t number = first + from; number < first + to; ++number) {
            Part sum = part(number);
            sum.clear();
            for (std::int64_t i = number * dataset.size() / parts;
                 i < (number + 1) * dataset.size() / parts; ++i) {
              const std::span<const std::byte> stored = reader.read(i);
              const at::Tensor raw = model_input(
                  {reinterpret_cast<const std::uint8_t*>(stored.data()), stored.size()}, format);
              const at::Tensor values = normaliser.apply(raw);
              require_numbers(values, raw, i, "data.transform");
              if (encoder)
                require_numbers(encoder->apply(values), raw, i, "data.encoder_transform");
              sum.add(values.const_data_ptr<double>(),
                      static_cast<std::size_t>(values.numel()) / channels);
            }
          }
        });
  });
  // Every entry is one rank's value plus zeros, so the sum is exact.
  all_ranks.all_reduce_sum(
      {sums.data(), static_cast<std::int64_t>(sums.size()), comm::DataType::float64});
  Part total = part(0);
  for (std::int64_t number = 1; number < parts; ++number) total.add(part(number));
  return total.result();
}

bool take_all_numbers(const std::vector<std::string>& transforms) {
  return std::all_of(transforms.begin(), transforms.end(), [](const std::string& name) {
    const double above = transform_named(name).above;
    return std::isinf(above) && above < 0;
  });
}

Normalisation normalisation_of(const ChannelStatistics& statistics,
                               const std::vector<std::string>& transforms, NormaliseBy by) {
  Normalisation out{transforms, {}, {}};
  for (std::size_t c = 0; c < statistics.mean.size(); ++c) {
    const double range = statistics.largest[c] - statistics.least[c],
                 spread = by == NormaliseBy::deviation ? statistics.deviation[c]
                          : by == NormaliseBy::range   ? range
                                                       : 1.0;
    out.shift.push_back(by == NormaliseBy::deviation ? statistics.mean[c]
                        : by == NormaliseBy::range   ? statistics.least[c]
                                                     : 0.0);
    out.factor.push_back(range > 0 && spread > 0 ? 1 / spread : 1.0);
  }
  return out;
}

std::string constant_channels(const ChannelStatistics& statistics) {
  constexpr double kLeast = 1e-6;
  std::vector<std::string> which;
  for (std::size_t c = 0; c < statistics.mean.size(); ++c)
    if (statistics.deviation[c] <= kLeast * std::abs(statistics.mean[c]))
      which.push_back(base::text(c));
  if (which.empty()) return "";
  return base::text(which.size(), " of ", statistics.mean.size(),
                    " channels hardly vary over the training rows (a deviation below a millionth "
                    "of the mean): ",
                    base::list_of_ten(which));
}

}  // namespace vae_dist::data
