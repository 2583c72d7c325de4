#include "synthetic/gaussian_fields.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <set>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"
#include "synthetic/sum_of_modes.hpp"
#include "synthetic/the_well_file.hpp"

namespace vae_dist::synthetic {
namespace {

constexpr std::int64_t kMostPoints = std::int64_t{1} << 28;  // of a frame: 4 GiB of amplitudes

std::int64_t points_of_frame(const FieldsOptions& options) {
  std::int64_t points = 1;
  for (const std::int64_t length : options.size) points *= length;
  return points;
}

void check_fields_options(const FieldsOptions& options) {
  const auto refuse = [](const auto&... parts) {
    throw base::BadInput(base::text("make-fields: ", parts...));
  };
  const auto one_or_each = [&](const std::vector<double>& values, const char* name) {
    if (values.size() != 1 && values.size() != options.channels.size())
      refuse(name, " has ", values.size(), " values: give one, or one for each of the ",
             options.channels.size(), " channels");
    for (const double value : values)
      if (!std::isfinite(value)) refuse(name, " is ", value, ": give finite numbers");
  };
  const auto within = [&](double value, const char* name, double least, double largest) {
    if (!(value >= least && value <= largest))
      refuse(name, " is ", value, ": give ", least, " to ", largest);
  };
  if (options.trajectories < 1)
    refuse("count is ", options.trajectories, ": at least one trajectory is needed");
  if (options.frames < 1) refuse("frames is ", options.frames, ": at least one is needed");
  if (options.size.empty() || options.size.size() > 3)
    refuse("size has ", options.size.size(), " numbers: give one for each of 1 to 3 axes of space");
  std::int64_t points = 1;
  for (const std::int64_t length : options.size) {
    if (length < 2 || length > kMostPoints)
      refuse("size has ", length, ": an axis has 2 points or more");
    points *= length;
    if (points > kMostPoints)
      refuse("size makes frames of more than ", kMostPoints, " points: give fewer");
  }
  if (options.channels.empty()) refuse("channels is empty: give one name at least");
  for (const std::string& name : options.channels)
    if (name.empty() || name == "." || name.find('/') != std::string::npos)
      refuse("channels has '", name, "', which cannot be the name of a dataset");
  if (std::set<std::string>(options.channels.begin(), options.channels.end()).size() !=
      options.channels.size())
    refuse("channels has a name twice");
  one_or_each(options.means, "mean");
  one_or_each(options.deviations, "deviation");
  for (const double deviation : options.deviations)
    if (deviation <= 0) refuse("deviation is ", deviation, ": give numbers above 0");
  within(options.correlation, "correlation", 0.0, 1.0);
  within(options.slope, "slope", 0.0, 20.0);
  within(options.knee, "knee", 1e-6, 1e6);
  within(options.correlation_time, "correlation-time", 0.0, 1e9);
  if (options.threads < 0)
    refuse("threads is ", options.threads, ": give 0 for one per core, or a number");
}

// A frame as amplitudes of modes. Two independent real fields are the real and the imaginary part
// of one complex field whose amplitudes are independent complex normal numbers times sqrt(p(k)):
// that p(k) = p(-k) makes the parts independent. Along time each amplitude is a stationary
// autoregressive process of first order, whose correlation falls by exp(-1 / correlation_time) from
// frame to frame.
class Frames {
 public:
  Frames(const FieldsOptions& options, const std::vector<double>& amplitudes,
         std::int64_t trajectory)
      : options_(options),
        amplitudes_(amplitudes),
        key_(base::random_key(static_cast<std::uint64_t>(options.seed), base::Purpose::prior, 0)),
        trajectory_(trajectory),
        decay_(options.correlation_time > 0 ? std::exp(-1.0 / options.correlation_time) : 0.0),
        // With several channels one more field is what they have in common.
        fields_(options.channels.size() + (options.channels.size() > 1)),
        modes_((fields_ + 1) / 2, std::vector<std::complex<double>>(amplitudes.size())) {}

  // Writes the next frame of channel c to out[c], which begins at `first`.
  void next(std::vector<std::vector<float>>& out, std::size_t first) {
    const double kept = frame_ == 0 ? 0.0 : decay_, fresh = std::sqrt(1.0 - kept * kept);
    std::vector<float> normal(2 * amplitudes_.size());
    std::vector<std::vector<std::complex<double>>> sums;
    for (std::size_t pair = 0; pair < modes_.size(); ++pair) {
      const auto draw = static_cast<std::uint32_t>(frame_ * modes_.size() + pair);
      base::fill_normal(key_, static_cast<std::uint64_t>(trajectory_), draw, normal);
      std::vector<std::complex<double>>& modes = modes_[pair];
      for (std::size_t k = 0; k < modes.size(); ++k)
        modes[k] = kept * modes[k] +
                   fresh * amplitudes_[k] * std::complex<double>(normal[2 * k], normal[2 * k + 1]);
      sum_modes(sums.emplace_back(modes), options_.size);
    }
    ++frame_;
    const auto field = [&](std::size_t number, std::size_t point) {
      const std::complex<double> sum = sums[number / 2][point];
      return number % 2 == 0 ? sum.real() : sum.imag();
    };
    const std::size_t channels = options_.channels.size();
    const double common = channels > 1 ? std::sqrt(options_.correlation) : 0.0,
                 own = std::sqrt(1.0 - common * common);
    for (std::size_t c = 0; c < channels; ++c) {
      const double mean = options_.means[c % options_.means.size()],
                   deviation = options_.deviations[c % options_.deviations.size()];
      for (std::size_t x = 0; x < amplitudes_.size(); ++x)
        out[c][first + x] = static_cast<float>(
            mean + deviation * (own * field(c, x) + common * field(fields_ - 1, x)));
    }
  }

 private:
  const FieldsOptions& options_;
  const std::vector<double>& amplitudes_;
  base::PhiloxKey key_;
  std::int64_t trajectory_;
  double decay_;
  std::size_t fields_, frame_ = 0;
  std::vector<std::vector<std::complex<double>>> modes_;
};

struct Trajectory {
  std::vector<std::vector<float>> channels;                            // [frames * points] each
  std::vector<std::vector<std::vector<std::uint8_t>>> channel_chunks;  // if compressed
};

Trajectory make_trajectory(const FieldsOptions& options, const std::vector<double>& amplitudes,
                           std::int64_t number, std::int64_t chunk_frames) {
  static_assert(std::endian::native == std::endian::little, "chunks are written as stored");
  const std::size_t points = amplitudes.size();
  // Chunks at the end of the time axis are as long as the others.
  const std::int64_t stored_frames =
      (options.frames + chunk_frames - 1) / chunk_frames * chunk_frames;
  Trajectory out;
  out.channels.assign(options.channels.size(),
                      std::vector<float>(static_cast<std::size_t>(stored_frames) * points, 0.0f));
  Frames frames(options, amplitudes, number);
  for (std::int64_t frame = 0; frame < options.frames; ++frame)
    frames.next(out.channels, static_cast<std::size_t>(frame) * points);
  if (options.compression.deflate_level == 0) return out;
  const std::size_t bytes = static_cast<std::size_t>(chunk_frames) * points * sizeof(float);
  for (std::vector<float>& channel : out.channels) {
    const auto all = std::span(reinterpret_cast<const std::uint8_t*>(channel.data()),
                               channel.size() * sizeof(float));
    std::vector<std::vector<std::uint8_t>>& chunks = out.channel_chunks.emplace_back();
    for (std::size_t at = 0; at < all.size(); at += bytes)
      chunks.push_back(
          datasets::encode_chunk(all.subspan(at, bytes), sizeof(float), options.compression));
    channel = {};
  }
  return out;
}

}  // namespace

std::vector<double> power_spectrum(const FieldsOptions& options) {
  std::vector<double> power = squared_wave_numbers(options.size);
  double sum = 0.0;
  for (double& each : power) {
    each = each == 0.0 ? 0.0
                       : std::pow(1.0 + each / (options.knee * options.knee), -0.5 * options.slope);
    sum += each;
  }
  for (double& each : power) each /= sum;
  return power;
}

void make_gaussian_fields(const std::string& path, const FieldsOptions& options) {
  check_fields_options(options);
  hdf5::PartialFile partial(path);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());

  std::vector<double> amplitudes = power_spectrum(options);
  std::transform(amplitudes.begin(), amplitudes.end(), amplitudes.begin(),
                 [](double power) { return std::sqrt(power); });
  const std::int64_t points = points_of_frame(options);
  const bool compressed = options.compression.deflate_level > 0;
  const std::int64_t chunk_frames =
      compressed
          ? std::min(options.frames,
                     datasets::chunk_rows_for(points * static_cast<std::int64_t>(sizeof(float))))
          : 1;
  std::vector<hdf5::Hdf5Dataset> fields =
      create_the_well_file(file, options, compressed ? chunk_frames : 0);

  base::ProgressBar progress("trajectories", options.trajectories);
  base::OrderedTasks<Trajectory> ahead(base::thread_count(options.threads));
  for (std::int64_t next = 0, written = 0; written < options.trajectories;) {
    for (; next < options.trajectories && !ahead.full(); ++next)
      ahead.start([&options, &amplitudes, next, chunk_frames] {
        return make_trajectory(options, amplitudes, next, chunk_frames);
      });
    const Trajectory trajectory = ahead.next();
    for (std::size_t c = 0; c < fields.size(); ++c) {
      if (!compressed) {
        fields[c].write_rows(written, 1, trajectory.channels[c]);
        continue;
      }
      std::vector<std::int64_t> corner(fields[c].shape().size(), 0);
      corner[0] = written;
      for (const std::vector<std::uint8_t>& chunk : trajectory.channel_chunks[c]) {
        fields[c].write_chunk(corner, chunk);
        corner[1] += chunk_frames;
      }
    }
    progress.update(++written);
  }
  file.close();
  partial.commit();
}

}  // namespace vae_dist::synthetic
