#include "evaluate/channel_figures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "data/transform.hpp"
#include "evaluate/channel_errors.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/model_pictures.hpp"
#include "evaluate/power_spectrum.hpp"
#include "evaluate/read_samples.hpp"
#include "evaluate/separation_power.hpp"
#include "evaluate/shared_tasks.hpp"
#include "model/evaluation_mode.hpp"

namespace vae_dist::evaluate {
namespace {

// Values whose waves are computed at once. Bounds the memory of spectra.
constexpr std::int64_t kValuesAtOnce = 1 << 22;

std::vector<double> doubles_of(const at::Tensor& values) {
  const at::Tensor exact = values.to(at::kCPU, at::kDouble).contiguous();
  return {exact.const_data_ptr<double>(), exact.const_data_ptr<double>() + exact.numel()};
}

// Measures blocks of samples. A *quantity* is what has a distribution: a channel, or the total of a
// vector.
class ChannelMeter {
 public:
  ChannelMeter(model::LatentModel& model, const data::SampleDataset& dataset,
               const EvaluationOptions& options)
      : model_(model), dataset_(dataset), options_(options), shape_(options.format.shape) {
    if (RadialShells::exist_for(shape_.space)) shells_.emplace(shape_.space);
  }

  bool is_vector() const { return shape_.space.empty(); }
  bool reconstructs() const { return model_.latent_kind() != base::LatentKind::none; }
  std::int64_t channels() const {
    return is_vector() && shape_.channels > kMostSeparateValues ? 1 : shape_.channels;
  }
  std::int64_t quantities() const { return channels() + (is_vector() ? 1 : 0); }
  std::int64_t shells() const { return shells_ ? shells_->count() : 0; }

  // The sums of a block, and the extremes of its quantities.
  struct Sums {
    at::Tensor squared_error, observed;         // [channels]
    at::Tensor vrmse, judged;                   // [channels]: the sum over `judged` samples
    at::Tensor data_power, power, error_power;  // [channels, shells]: data, reconstructions, errors
    at::Tensor whole;                           // [channels]: samples without missing values
    at::Tensor low, high;                       // [quantities]

    std::vector<at::Tensor*> parts() {
      return {&squared_error, &observed,    &vrmse, &judged, &data_power,
              &power,         &error_power, &whole, &low,    &high};
    }
  };

  Sums zeros() const {
    const auto of = [](at::IntArrayRef sizes) { return at::zeros(sizes, at::kDouble); };
    const std::int64_t c = channels(), k = shells(), q = quantities();
    return {.squared_error = of({c}),
            .observed = of({c}),
            .vrmse = of({c}),
            .judged = of({c}),
            .data_power = of({c, k}),
            .power = of({c, k}),
            .error_power = of({c, k}),
            .whole = of({c}),
            .low = of({q}),
            .high = of({q})};
  }

  // Block of `count` samples from sample `done` of those evaluated.
  Sums measure(std::int64_t done, std::int64_t count) const {
    const model::Sample batch = read(done, count);
    const at::Tensor data = in_file_units(with_gaps(batch));
    Sums out = zeros();
    extremes(data, out);
    at::Tensor made;
    if (reconstructs()) {
      made = in_file_units(
          model_.likelihood().mean_image(model_.decode(model_.encode(batch).mu, batch), batch));
      const at::Tensor target = by_channel(data), got = by_channel(made);
      out.squared_error = squared_error_sums(target, got);
      out.observed = observed_values(target);
      const at::Tensor of_samples = vrmse(target, got);
      out.vrmse = of_samples.nansum(0);
      out.judged = of_samples.isnan().logical_not().sum(0).to(at::kDouble);
    }
    if (shells_) add_power(data, made, out);
    return out;
  }

  // Adds the histograms of a block to `counts`, [quantities, 3, kHistogramBins + 2]: every other
  // sample of the data, the rest of them, and as many samples of the prior.
  void count(std::int64_t done, std::int64_t count, const std::vector<double>& low,
             const std::vector<double>& high, at::Tensor& counts) const {
    const model::Sample batch = read(done, count);
    model::Sample given = batch;
    // A likelihood of counts says nothing of a sample's total: it is given, as conditions are.
    if (model_.likelihood().traits().support != base::Support::counts) given.x = at::Tensor();
    const at::Tensor z = keyed_noise(model_, base::Purpose::prior, options_.seed, done, count);
    const std::vector<at::Tensor> data = quantities_of(in_file_units(with_gaps(batch))),
                                  drawn = quantities_of(in_file_units(compared(z, given, done)));
    for (std::size_t q = 0; q < data.size(); ++q) {
      const auto add = [&](std::int64_t which, const at::Tensor& values) {
        counts[static_cast<std::int64_t>(q)][which].add_(
            histogram(spaced(q, values), low[q], high[q]));
      };
      for (std::int64_t half = 0; half < 2; ++half)
        if (const std::int64_t begin = (half + done) % 2; begin < count)
          add(half, data[q].slice(0, begin, at::nullopt, 2));
      add(2, drawn[q]);
    }
  }

  // Returns the edges of a quantity's bins in the file's units.
  std::vector<double> edges(std::size_t q, double low, double high) const {
    return doubles_of(
        transform_of(q).undo(at::linspace(low, high, kHistogramBins + 1, at::kDouble)));
  }

 private:
  model::Sample read(std::int64_t done, std::int64_t count) const {
    return read_batch(dataset_, options_.first + done, count, options_.format);
  }

  // Returns what is made of z of the samples from `first` on.
  at::Tensor compared(const at::Tensor& z, const model::Sample& given, std::int64_t first) const {
    const model::Decoded decoded = model_.decode(z, given);
    if (options_.compared_values == Values::mean)
      return model_.likelihood().mean_image(decoded, given);
    return drawn_values(model_, decoded, given, options_.seed, first).to(options_.format.device);
  }

  // Returns x, [B, C, space...] in the model's range, in the file's units: float64 on the CPU.
  at::Tensor in_file_units(const at::Tensor& x) const {
    const data::InputFormat& format = options_.format;
    const at::Tensor exact = x.to(at::kDouble);
    return (format.normaliser ? format.normaliser->undo(exact)
                              : (exact - format.low) / ((format.high - format.low) * format.scale))
        .cpu();
  }

  // [B, channels, M]
  at::Tensor by_channel(const at::Tensor& values) const {
    return values.reshape({values.size(0), channels(), -1});
  }

  std::vector<at::Tensor> quantities_of(const at::Tensor& values) const {
    std::vector<at::Tensor> out = by_channel(values).unbind(1);
    if (is_vector()) out.push_back(values.sum(1, true));
    return out;
  }

  // The transform that makes the values of a quantity even enough for bins of equal width.
  const data::Transform& transform_of(std::size_t q) const {
    const bool is_total = static_cast<std::int64_t>(q) == channels();
    if (options_.format.normaliser && !is_total) {
      const std::vector<std::string>& names = options_.format.normaliser->numbers().transforms;
      if (names.size() == 1) return data::transform_named(names.front());
      if (channels() == shape_.channels) return data::transform_named(names.at(q));
    }
    return data::transform_named("none");
  }

  at::Tensor spaced(std::size_t q, const at::Tensor& values) const {
    return transform_of(q).apply(values);
  }

  void extremes(const at::Tensor& data, Sums& out) const {
    constexpr double kEndless = std::numeric_limits<double>::infinity();
    const std::vector<at::Tensor> of_data = quantities_of(data);
    for (std::size_t q = 0; q < of_data.size(); ++q) {
      const at::Tensor values = spaced(q, of_data[q]), missing = values.isnan();
      out.low[static_cast<std::int64_t>(q)] = values.masked_fill(missing, kEndless).amin();
      out.high[static_cast<std::int64_t>(q)] = values.masked_fill(missing, -kEndless).amax();
    }
  }

  void add_power(const at::Tensor& data, const at::Tensor& made, Sums& out) const {
    const std::int64_t at_once = std::max<std::int64_t>(1, kValuesAtOnce / shape_.values());
    for (std::int64_t done = 0; done < data.size(0); done += at_once) {
      const std::int64_t count = std::min(at_once, data.size(0) - done);
      const at::Tensor fields = data.narrow(0, done, count),
                       missing = fields.isnan().flatten(2).any(2);  // [B, C]
      // A field with gaps has no spectrum.
      const auto sums_of = [&](const at::Tensor& each) {
        return shells_->power(each).masked_fill_(missing.unsqueeze(2), 0).sum(0);
      };
      out.data_power.add_(sums_of(fields));
      if (made.defined()) {
        const at::Tensor got = made.narrow(0, done, count);
        out.power.add_(sums_of(got));
        out.error_power.add_(sums_of(got - fields));
      }
      out.whole.add_(missing.logical_not().sum(0));
    }
  }

  model::LatentModel& model_;
  const data::SampleDataset& dataset_;
  const EvaluationOptions& options_;
  const arrays::SampleShape& shape_;
  std::optional<RadialShells> shells_;
};

// Adds the blocks in their order: the same bits for any number of ranks. The extremes are those of
// all blocks.
ChannelMeter::Sums measured_on_all(const ChannelMeter& meter, const EvaluationOptions& options,
                                   std::int64_t blocks, comm::CpuCommunicator& all_ranks) {
  ChannelMeter::Sums total = meter.zeros();
  std::vector<std::int64_t> lengths;
  std::int64_t entries = 0;
  for (const at::Tensor* part : total.parts()) {
    lengths.push_back(part->numel());
    entries += part->numel();
  }
  std::vector<double> measured =
      measure_blocks(blocks, static_cast<std::size_t>(entries), all_ranks, [&](std::int64_t b) {
        const std::int64_t done = b * options.block;
        ChannelMeter::Sums block =
            meter.measure(done, std::min(options.block, options.samples - done));
        std::vector<at::Tensor> flat;
        for (const at::Tensor* part : block.parts()) flat.push_back(part->flatten());
        return doubles_of(at::cat(flat));
      });
  const at::Tensor rows = at::from_blob(measured.data(), {blocks, entries}, at::kDouble);
  const std::vector<at::Tensor> columns = rows.split_with_sizes(lengths, 1);
  const std::vector<at::Tensor*> parts = total.parts();
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (parts[p] == &total.low) {
      parts[p]->copy_(columns[p].amin(0));
    } else if (parts[p] == &total.high) {
      parts[p]->copy_(columns[p].amax(0));
    } else {
      for (std::int64_t b = 0; b < blocks; ++b) parts[p]->add_(columns[p][b].view_as(*parts[p]));
    }
  }
  return total;
}

// counts: [3, kHistogramBins + 2], as ChannelMeter::count() makes them.
ComparedHistograms compared(const at::Tensor& counts, std::vector<double> edges) {
  const std::vector<double> half = doubles_of(counts[0]), rest = doubles_of(counts[1]),
                            data = doubles_of(counts[0] + counts[1]), drawn = doubles_of(counts[2]);
  ComparedHistograms out;
  out.separation = separation_power(data, drawn);
  out.separation_of_halves = separation_power(half, rest);
  out.edges = std::move(edges);
  const auto shares = [](const at::Tensor& all) {
    return doubles_of(all.to(at::kDouble) / all.sum().to(at::kDouble));
  };
  const std::vector<double> of_data = shares(counts[0] + counts[1]), of_drawn = shares(counts[2]);
  out.data.assign(of_data.begin() + 1, of_data.end() - 1);
  out.samples.assign(of_drawn.begin() + 1, of_drawn.end() - 1);
  out.below = of_drawn.front();
  out.above = of_drawn.back();
  return out;
}

// The units of what is judged under each of so many names; empty where its values differ in them.
std::vector<std::string> units_of_judged(const data::SampleDataset& dataset,
                                         std::int64_t channels) {
  std::vector<std::string> units;
  for (const data::StoredArray& array : dataset.stored_arrays())
    units.insert(units.end(), static_cast<std::size_t>(array.channels), array.units);
  if (channels == static_cast<std::int64_t>(units.size())) return units;
  const bool same = std::equal(units.begin() + 1, units.end(), units.begin());
  return {same ? units.front() : std::string()};
}

std::vector<std::string> names_of_judged(const data::SampleDataset& dataset,
                                         std::int64_t channels) {
  std::vector<std::string> names = channel_names(dataset);
  if (channels == static_cast<std::int64_t>(names.size())) return names;
  const std::string first = names.front(), last = names.back();
  return {dataset.stored_arrays().size() == 1 ? first.substr(0, first.rfind('['))
                                              : base::text(first, " to ", last)};
}

}  // namespace

bool has_telling_channels(const data::InputFormat& format) {
  return format.normaliser || !format.shape.is_image() ||
         !arrays::is_grey_or_colour(format.shape.channels);
}

std::vector<std::string> channel_names(const data::SampleDataset& dataset) {
  std::vector<std::string> out;
  for (const data::StoredArray& array : dataset.stored_arrays()) {
    const std::string name = array.name.substr(array.name.find_first_not_of('/'));
    for (std::int64_t c = 0; c < array.channels; ++c)
      out.push_back(array.channels == 1 ? name : base::text(name, "[", c, "]"));
  }
  return out;
}

ChannelFigures channel_figures(model::LatentModel& model, const data::SampleDataset& dataset,
                               const EvaluationOptions& options, comm::CpuCommunicator& all_ranks) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  const ChannelMeter meter(model, dataset, options);
  const std::int64_t blocks = (options.samples + options.block - 1) / options.block;
  const BlockRange own = blocks_of(all_ranks.rank(), blocks, all_ranks.size());
  const ChannelMeter::Sums sums = measured_on_all(meter, options, blocks, all_ranks);

  const std::vector<double> low = doubles_of(sums.low), high = doubles_of(sums.high);
  at::Tensor counts = at::zeros({meter.quantities(), 3, kHistogramBins + 2}, at::kLong);
  for (std::int64_t b = own.first; b < own.last; ++b) {
    const std::int64_t done = b * options.block;
    meter.count(done, std::min(options.block, options.samples - done), low, high, counts);
  }
  // Whole numbers, so the sum is exact in any order.
  all_ranks.all_reduce_sum(
      {counts.mutable_data_ptr<std::int64_t>(), counts.numel(), comm::DataType::int64});
  const auto histograms = [&](std::int64_t q) {
    const auto i = static_cast<std::size_t>(q);
    return compared(counts[q], meter.edges(i, low[i], high[i]));
  };

  ChannelFigures out;
  out.compared_values = options.compared_values;
  const std::vector<std::string> names = names_of_judged(dataset, meter.channels()),
                                 units = units_of_judged(dataset, meter.channels());
  const std::vector<double> rmse = doubles_of((sums.squared_error / sums.observed).sqrt()),
                            vrmse = doubles_of(sums.vrmse / sums.judged);
  for (std::int64_t c = 0; c < meter.channels(); ++c) {
    const auto i = static_cast<std::size_t>(c);
    ChannelFigures::Channel channel;
    channel.name = names.at(i);
    channel.units = units.at(i);
    if (meter.reconstructs()) {
      channel.rmse = rmse[i];
      if (!meter.is_vector()) channel.vrmse = vrmse[i];
    }
    if (meter.shells() > 0) {
      channel.power_of_data = doubles_of(sums.data_power[c] / sums.whole[c]);
      if (meter.reconstructs()) {
        channel.power_of_reconstructions = doubles_of(sums.power[c] / sums.whole[c]);
        channel.power_of_errors = doubles_of(sums.error_power[c] / sums.whole[c]);
      }
    }
    channel.values = histograms(c);
    out.channels.push_back(std::move(channel));
  }
  if (meter.is_vector()) out.totals = histograms(meter.channels());
  return out;
}

}  // namespace vae_dist::evaluate
