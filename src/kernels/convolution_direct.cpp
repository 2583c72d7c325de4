// Convolutions by loops of our own, which read pixels where they lie.
//
// Stored is the type of images and weights, Unit what the loops multiply (convolution_units.hpp).
// Where these are the same bits, nothing is copied. Otherwise a sample's pixels, or those of some
// positions, are converted while they are in the cache.
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "kernels/convolution_images.hpp"
#include "kernels/convolution_loops.hpp"
#include "kernels/convolution_phases.hpp"
#include "kernels/convolution_units.hpp"

namespace vae_dist::kernels {
namespace {

using c10::BFloat16;
using std::int64_t;

// Memory for values that are written before they are read, at the begin of a cache line.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t values)
      : data_(static_cast<T*>(::operator new[](
            static_cast<std::size_t>(std::max<int64_t>(values, 1)) * sizeof(T), kLine))) {}
  T* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* data) const { ::operator delete[](data, kLine); }
  };
  std::unique_ptr<T[], Free> data_;
};

int64_t divided_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

// Cuts `count` into parts of at most `most`, which differ by one at most.
struct EvenParts {
  int64_t count, parts;

  EvenParts(int64_t of, int64_t most) : count(of), parts(divided_up(of, most)) {}
  int64_t begin(int64_t part) const {
    return part * (count / parts) + std::min(part, count % parts);
  }
  int64_t size(int64_t part) const { return count / parts + (part < count % parts ? 1 : 0); }
};

// Where images are as small as this, much of what a kernel covers is padding. The rows of a block
// are then taken from the same position of several samples, so that they all lack the same taps,
// which are left out.
constexpr int64_t kSmallImage = 64;
bool goes_by_position(int64_t batch, int64_t rows, int64_t columns) {
  return rows * columns <= kSmallImage && batch >= 8;
}

// The weights of one panel of outputs and one tap lie one after the other, as [units of channels,
// outputs] or, `by_output`, as [outputs, units of channels]. The last panel has whole vectors, with
// zeros beyond the outputs.
template <typename Stored, typename Unit>
class PackedWeights {
 public:
  // `weights.small` are the outputs, `weights.large` the channels that are summed.
  PackedWeights(const WeightsOf<const Stored>& weights, int64_t width, bool by_output)
      : weights_(weights),
        units_(units_for<Unit>(weights.large)),
        width_(width),
        packed_(divided_up(weights.small, width) * width * taps() * units_) {
    const int64_t panels = divided_up(weights.small, width);
    at::parallel_for(0, panels * taps(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i / taps() * width, tap = i % taps(),
                      used = std::min(width, weights.small - first);
        const Stored* const from = weights.data + first * weights.small_stride +
                                   tap / weights.kernel * weights.row_stride +
                                   tap % weights.kernel * weights.column_stride;
        Unit* const to = packed_.get() + i * units_ * width;
        if (by_output)
          for (int64_t n = 0; n < used; ++n)
            for (int64_t k = 0; k < units_; ++k) to[n * units_ + k] = unit(from, n, k);
        else
          pack_panel(from, used, to);
      }
    });
  }

  const Unit* of(int64_t panel, int64_t row, int64_t column) const {
    return packed_.get() + (panel * taps() + row * weights_.kernel + column) * units_ * width_;
  }

 private:
  void pack_panel(const Stored* from, int64_t used, Unit* to) const {
    const int64_t lanes = convolution_loops<Unit>(instruction_set()).lanes,
                  width = divided_up(used, lanes) * lanes;
    if (weights_.small_stride == 1) {
      join_rows<Stored, Unit>({from, weights_.large_stride, weights_.large, 0, weights_.large},
                              used, width, width, to);
      return;
    }
    if (used < width) std::fill(to, to + units_ * width, Unit{});
    // A cache line of each column at a time.
    constexpr int64_t kLine = 16;
    for (int64_t begin = 0; begin < units_; begin += kLine)
      for (int64_t k = begin; k < std::min(begin + kLine, units_); ++k)
        for (int64_t n = 0; n < used; ++n) to[k * width + n] = unit(from, n, k);
  }

  // Unit k of output n.
  Unit unit(const Stored* from, int64_t n, int64_t k) const {
    const Stored* const value =
        from + n * weights_.small_stride + k * kValuesOf<Unit> * weights_.large_stride;
    if constexpr (kValuesOf<Unit> == 1)
      return static_cast<Unit>(*value);
    else
      return {value[0], 2 * k + 1 < weights_.large ? value[weights_.large_stride]
                                                   : BFloat16(0, BFloat16::from_bits())};
  }

  int64_t taps() const { return weights_.kernel * weights_.kernel; }

  const WeightsOf<const Stored> weights_;
  const int64_t units_, width_;
  Scratch<Unit> packed_;
};

// Some outputs of a phase, computed together: the pixels that each tap reads for each of them, and
// where they are written. Pixels stay in the cache while the panels of weights pass.
template <typename Stored, typename Unit>
struct Group {
  explicit Group(int64_t most_taps, int64_t most_rows, int64_t width)
      : source(static_cast<std::size_t>(most_taps * most_rows)),
        out(static_cast<std::size_t>(most_rows)),
        sums(most_rows * width),
        stride(most_rows) {}

  std::vector<const Unit*> source;  // [taps, stride]
  std::vector<Stored*> out;
  Scratch<float> sums;  // [stride, width] of a panel that is not stored as it is computed
  int64_t stride, rows = 0;
  std::vector<std::pair<int64_t, int64_t>> taps;  // row and column of the kernel

  const Unit** of_tap(std::size_t tap) {
    return source.data() + static_cast<int64_t>(tap) * stride;
  }
};

// The pixels of all samples, or of one at a time, as units.
template <typename Stored, typename Unit>
class UnitsOfImages {
 public:
  // Whether the images hold the units as they lie.
  static bool as_they_lie(const ImagesOf<const Stored>& images) {
    return std::is_same_v<Stored, Unit> || (kValuesOf<Unit> == 2 && images.channels % 2 == 0);
  }

  UnitsOfImages(const ImagesOf<const Stored>& images, int64_t samples)
      : images_(images),
        channels_(units_for<Unit>(images.channels)),
        converted_(as_they_lie(images) ? 0 : samples * pixels() * channels_) {}

  // Samples first .. first + count - 1, as images of their own. Until the next call.
  ImagesOf<const Unit> of(int64_t first, int64_t count) const {
    const Stored* const from = images_.pixel(first, 0, 0);
    if (as_they_lie(images_))
      return {reinterpret_cast<const Unit*>(from), count, images_.height, images_.width, channels_};
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      join_neighbours(images_.pixel(first + begin, 0, 0), (end - begin) * pixels(),
                      images_.channels, converted_.get() + begin * pixels() * channels_);
    });
    return {converted_.get(), count, images_.height, images_.width, channels_};
  }

 private:
  int64_t pixels() const { return images_.height * images_.width; }

  const ImagesOf<const Stored> images_;
  const int64_t channels_;
  Scratch<Unit> converted_;
};

// The samples that a unit joins, as one image of units.
template <typename Stored, typename Unit>
class JoinedSamples {
 public:
  explicit JoinedSamples(const ImagesOf<const Stored>& images)
      : images_(images), joined_(values()) {}

  // Those from `first` on. Until the next call.
  ImagesOf<const Unit> from(int64_t first) const {
    const int64_t count = std::min(kValuesOf<Unit>, images_.batch - first);
    join_rows<Stored, Unit>({images_.pixel(first, 0, 0), values(), count, 0, count}, values(),
                            values(), values(), joined_.get());
    return {joined_.get(), 1, images_.height, images_.width, images_.channels};
  }

 private:
  int64_t values() const { return images_.height * images_.width * images_.channels; }

  const ImagesOf<const Stored> images_;
  Scratch<Unit> joined_;
};

// A product in which each output gathers from the pixels around it: down or up.
template <typename Stored, typename Unit>
class Gathering {
 public:
  Gathering(const ImagesOf<const Stored>& source, const ImagesOf<Stored>& out,
            const WeightsOf<const Stored>& weights, bool up, const ConvolutionGeometry& geometry,
            const Stored* bias)
      : loops_(convolution_loops<Unit>(instruction_set())),
        source_(source),
        out_(out),
        channels_(units_for<Unit>(source.channels)),
        dots_(out.channels <= kMostDotColumns && channels_ % loops_.lanes == 0 &&
              source.channels % kValuesOf<Unit> == 0),
        at_once_(dots_ && can_be_at_once(weights, up, geometry)),
        width_(static_cast<int64_t>(loops_.vectors) * loops_.lanes),
        row_phases_(phases(weights, up, geometry, out.height)),
        column_phases_(phases(weights, up, geometry, out.width)),
        zeros_(static_cast<std::size_t>(channels_)),
        start_(static_cast<std::size_t>(divided_up(out.channels, width_) * width_)),
        weights_(up ? swapped(weights) : weights),
        packed_(weights_, dots_ ? out.channels : width_, dots_) {
    if (bias) std::copy_n(bias, out_.channels, start_.begin());
  }

  void run() const {
    if (at_once_) {
      run_at_once();
      return;
    }
    std::vector<PhasePair> by_position, by_image;
    for (const Phase& row : row_phases_)
      for (const Phase& column : column_phases_)
        (goes_by_position(out_.batch, row.count, column.count) ? by_position : by_image)
            .push_back({row, column});
    const bool in_parts = out_.batch < at::get_num_threads();
    if (!by_position.empty() || in_parts) {
      const UnitsOfImages<Stored, Unit> all(source_, source_.batch);
      const ImagesOf<const Unit> pixels = all.of(0, source_.batch);
      for (const PhasePair& pair : by_position) run_by_position(pixels, pair.row, pair.column);
      if (in_parts)
        for (const PhasePair& pair : by_image) run_in_parts(pixels, pair);
    }
    if (by_image.empty() || in_parts) return;
    // One sample after the other: its phases read the same pixels and write neighbours.
    at::parallel_for(0, out_.batch, 1, [&](int64_t begin, int64_t end) {
      const UnitsOfImages<Stored, Unit> one(source_, 1);
      for (int64_t sample = begin; sample < end; ++sample) {
        const ImagesOf<const Unit> pixels = one.of(sample, 1);
        for (const PhasePair& pair : by_image) {
          const int64_t all = pair.row.count * pair.column.count;
          run_range({pixels, sample}, pair, sample * all, (sample + 1) * all);
        }
      }
    });
  }

 private:
  struct PhasePair {
    const Phase &row, &column;

    std::size_t taps() const { return row.taps.size() * column.taps.size(); }
  };

  // Samples from `first` on.
  struct Pixels {
    ImagesOf<const Unit> units;
    int64_t first;
  };

  static std::vector<Phase> phases(const WeightsOf<const Stored>& weights, bool up,
                                   const ConvolutionGeometry& geometry, int64_t size) {
    return up ? phases_up(weights.kernel, geometry.stride, geometry.padding, size)
              : phases_down(weights.kernel, geometry.stride, geometry.padding, size);
  }

  // Returns how many outputs form a group.
  int64_t rows_of_group(std::size_t taps) const {
    constexpr int64_t kValues = 96 << 10, kMost = 256;
    const int64_t values = std::max<int64_t>(static_cast<int64_t>(taps) * channels_, 1),
                  rows = loops_.rows[loops_.vectors - 1];
    return std::clamp<int64_t>(kValues / values / rows * rows, 4 * rows, kMost / rows * rows);
  }

  // The same position of all samples is computed with those taps alone that lie in the image.
  void run_by_position(const ImagesOf<const Unit>& pixels, const Phase& row,
                       const Phase& column) const {
    const int64_t most = std::min(rows_of_group(row.taps.size() * column.taps.size()), out_.batch);
    const EvenParts samples(out_.batch, most);
    at::parallel_for(
        0, row.count * column.count * samples.parts, 1, [&](int64_t begin, int64_t end) {
          Group<Stored, Unit> group(static_cast<int64_t>(row.taps.size() * column.taps.size()),
                                    padded(most), width_);
          for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t position = unit / samples.parts, part = unit % samples.parts;
            const int64_t i = position / column.count, j = position % column.count;
            const int64_t first = samples.begin(part);
            group.rows = samples.size(part);
            group.taps.clear();
            for (const Tap& y : row.taps) {
              const int64_t source_row = row.step * i + y.offset;
              if (source_row < 0 || source_row >= source_.height) continue;
              for (const Tap& x : column.taps) {
                const int64_t source_column = column.step * j + x.offset;
                if (source_column < 0 || source_column >= source_.width) continue;
                const Unit** const to = group.of_tap(group.taps.size());
                for (int64_t r = 0; r < group.rows; ++r)
                  to[r] = pixels.pixel(first + r, source_row, source_column);
                group.taps.emplace_back(y.k, x.k);
              }
            }
            for (int64_t r = 0; r < group.rows; ++r)
              group.out[static_cast<std::size_t>(r)] =
                  out_.pixel(first + r, row.first + row.every * i, column.first + column.every * j);
            compute(group);
          }
        });
  }

  // For fewer samples than threads.
  void run_in_parts(const ImagesOf<const Unit>& pixels, const PhasePair& pair) const {
    const int64_t all = out_.batch * pair.row.count * pair.column.count,
                  most = rows_of_group(pair.taps());
    at::parallel_for(0, divided_up(all, most), 1, [&](int64_t begin, int64_t end) {
      run_range({pixels, 0}, pair, begin * most, std::min(end * most, all));
    });
  }

  // Outputs first .. past - 1 of all positions of a phase in their order, with zeros for the pixels
  // around the image.
  void run_range(const Pixels& pixels, const PhasePair& pair, int64_t first, int64_t past) const {
    const auto& [row, column] = pair;
    const EvenParts groups(past - first, rows_of_group(pair.taps()));
    Group<Stored, Unit> group(static_cast<int64_t>(pair.taps()), padded(groups.size(0)), width_);
    for (const Tap& y : row.taps)
      for (const Tap& x : column.taps) group.taps.emplace_back(y.k, x.k);
    for (int64_t unit = 0; unit < groups.parts; ++unit) {
      const int64_t begin = first + groups.begin(unit);
      group.rows = groups.size(unit);
      for (int64_t r = 0; r < group.rows;) {
        const int64_t line = (begin + r) / column.count, j = (begin + r) % column.count;
        const int64_t count = std::min(group.rows - r, column.count - j);
        add_line(pixels, group, r, row, column, line / row.count, line % row.count, j, count);
        r += count;
      }
      compute(group);
    }
  }

  // Outputs j .. j + count - 1 of line i of a phase, from row r of the group on.
  void add_line(const Pixels& pixels, Group<Stored, Unit>& group, int64_t r, const Phase& row,
                const Phase& column, int64_t sample, int64_t i, int64_t j, int64_t count) const {
    std::size_t tap = 0;
    for (const Tap& y : row.taps) {
      const int64_t source_row = row.step * i + y.offset;
      const bool inside = source_row >= 0 && source_row < source_.height;
      for (const Tap& x : column.taps) {
        const Unit** const to = group.of_tap(tap++) + r;
        // The outputs whose pixel lies in the image: 0 <= step * j + offset < width.
        const int64_t from =
            inside ? std::clamp<int64_t>(
                         divided_up(std::max<int64_t>(-x.offset, 0), column.step) - j, 0, count)
                   : count;
        const int64_t past =
            inside
                ? std::clamp<int64_t>(
                      divided_up(std::max<int64_t>(source_.width - x.offset, 0), column.step) - j,
                      from, count)
                : count;
        std::fill(to, to + from, zeros_.data());
        if (from < past) {
          const Unit* const first = pixels.units.pixel(sample - pixels.first, source_row,
                                                       column.step * (j + from) + x.offset);
          const int64_t distance = column.step * channels_;
          for (int64_t n = from; n < past; ++n) to[n] = first + (n - from) * distance;
        }
        std::fill(to + past, to + count, zeros_.data());
      }
    }
    Stored* const first =
        out_.pixel(sample, row.first + row.every * i, column.first + column.every * j);
    for (int64_t n = 0; n < count; ++n)
      group.out[static_cast<std::size_t>(r + n)] = first + n * column.every * out_.channels;
  }

  static int64_t padded(int64_t rows) { return divided_up(rows, kDotRows) * kDotRows; }

  void compute(Group<Stored, Unit>& group) const {
    if (dots_)
      compute_dots(group);
    else
      compute_panels(group);
  }

  // Where row r of a panel from column n on is computed: where it is stored, if that holds whole
  // vectors of fp32.
  float* row_of_sums(Group<Stored, Unit>& group, int64_t r, int64_t n, bool beyond) const {
    if constexpr (std::is_same_v<Stored, float>)
      if (!beyond) return group.out[static_cast<std::size_t>(r)] + n;
    return group.sums.get() + r * width_;
  }

  void compute_panels(Group<Stored, Unit>& group) const {
    // The weights of a pass over the rows stay in the first cache.
    constexpr int64_t kUnits = 6 << 10;
    const auto taps = static_cast<int64_t>(group.taps.size());
    const int64_t most = std::max<int64_t>(kUnits / width_, 1);
    const EvenParts pieces(channels_, most), together(taps, std::max<int64_t>(most / channels_, 1));
    // With no tap in the image there is one empty pass.
    const int64_t all_together = std::max<int64_t>(together.parts, 1);
    std::vector<const Unit*> weight(group.taps.size());
    std::vector<float*> out(static_cast<std::size_t>(group.rows));
    for (int64_t n = 0; n < out_.channels; n += width_) {
      const int64_t used = std::min(width_, out_.channels - n);
      const int64_t vectors = divided_up(used, loops_.lanes);
      const EvenParts blocks(group.rows, loops_.rows[vectors - 1]);
      const bool beyond = used < vectors * loops_.lanes;
      for (int64_t r = 0; r < group.rows; ++r)
        out[static_cast<std::size_t>(r)] = row_of_sums(group, r, n, beyond);
      const auto& loop = loops_.gather[vectors - 1];
      bool begins = true, stored = std::is_same_v<Stored, float> && !beyond;
      for (int64_t some = 0; some < all_together; ++some) {
        const int64_t first = taps == 0 ? 0 : together.begin(some),
                      count = taps == 0 ? 0 : together.size(some);
        for (int64_t piece = 0; piece < pieces.parts; ++piece) {
          const int64_t k = pieces.begin(piece);
          for (int64_t t = 0; t < count; ++t) {
            const auto& [y, x] = group.taps[static_cast<std::size_t>(first + t)];
            weight[static_cast<std::size_t>(t)] =
                packed_.of(n / width_, y, x) + k * vectors * loops_.lanes;
          }
          BFloat16* const* rounded = nullptr;
          if constexpr (std::is_same_v<Unit, Pair>)
            if (!beyond && some + 1 == all_together && piece + 1 == pieces.parts) {
              rounded = group.out.data();
              stored = true;
            }
          for (int64_t b = 0; b < blocks.parts; ++b) {
            const int64_t r = blocks.begin(b);
            loop[blocks.size(b) - 1](
                {count, pieces.size(piece), group.source.data() + first * group.stride + r,
                 group.stride, k, weight.data(), out.data() + r,
                 begins ? start_.data() + n : nullptr, rounded ? rounded + r : nullptr, n});
          }
          begins = false;
        }
      }
      if (!stored)
        store_rows<Stored>(group.sums.get(), width_, group.rows, used, group.out.data(), n);
    }
  }

  void compute_dots(Group<Stored, Unit>& group) const {
    std::vector<const Unit*> weight;
    for (const auto& [y, x] : group.taps) weight.push_back(packed_.of(0, y, x));
    std::vector<float*> out;
    for (int64_t r = 0; r < padded(group.rows); ++r)
      out.push_back(row_of_sums(group, r, 0, r >= group.rows));
    for (int64_t r = group.rows; r < padded(group.rows); ++r)
      for (std::size_t t = 0; t < group.taps.size(); ++t) group.of_tap(t)[r] = zeros_.data();
    for (int64_t r = 0; r < group.rows; r += kDotRows)
      loops_.dot[out_.channels - 1]({static_cast<int64_t>(group.taps.size()), channels_,
                                     group.source.data() + r, group.stride, weight.data(),
                                     out.data() + r, start_.data()});
    if constexpr (!std::is_same_v<Stored, float>)
      store_rows<Stored>(group.sums.get(), width_, group.rows, out_.channels, group.out.data(), 0);
  }

  // For so few outputs that all taps of all outputs together have a few vectors of columns, where
  // each pixel meets each tap: a pixel is multiplied by all of them at once, and each output adds
  // what its pixels have made for it.
  bool can_be_at_once(const WeightsOf<const Stored>& weights, bool up,
                      const ConvolutionGeometry& geometry) const {
    constexpr int64_t kMostVectorsAtOnce = 3, kMostSums = 1 << 18;
    const int64_t columns = weights.kernel * weights.kernel * out_.channels;
    return std::is_same_v<Unit, Pair> && (up || geometry.stride == 1) &&
           columns <= kMostVectorsAtOnce * loops_.lanes &&
           source_.height * source_.width * columns <= kMostSums;
  }

  void run_at_once() const {
    const int64_t columns = weights_.kernel * weights_.kernel * out_.channels,
                  vectors = divided_up(columns, loops_.lanes), width = vectors * loops_.lanes,
                  pixels = source_.height * source_.width;
    // [units of channels, taps * outputs]
    Scratch<Unit> weights(channels_ * width);
    std::fill_n(weights.get(), channels_ * width, Unit{});
    for (int64_t tap = 0; tap < weights_.kernel * weights_.kernel; ++tap)
      for (int64_t n = 0; n < out_.channels; ++n)
        for (int64_t k = 0; k < channels_; ++k)
          weights.get()[k * width + tap * out_.channels + n] =
              packed_.of(0, tap / weights_.kernel, tap % weights_.kernel)[n * channels_ + k];
    const Unit* const first_weight = weights.get();
    const std::vector<float> zeros(static_cast<std::size_t>(width));
    const EvenParts blocks(pixels, loops_.rows[vectors - 1]);
    at::parallel_for(0, out_.batch, 1, [&](int64_t begin, int64_t end) {
      // A vector is added beyond the last column.
      Scratch<float> products(pixels * width + kMostDotColumns),
          line((out_.width + 1) * kMostDotColumns);
      const UnitsOfImages<Stored, Unit> one(source_, 1);
      for (int64_t sample = begin; sample < end; ++sample) {
        const ImagesOf<const Unit> units = one.of(sample, 1);
        for (int64_t b = 0; b < blocks.parts; ++b) {
          const Unit* from[kMostRows];
          float* to[kMostRows];
          for (int64_t r = 0; r < blocks.size(b); ++r) {
            from[r] = units.data + (blocks.begin(b) + r) * channels_;
            to[r] = products.get() + (blocks.begin(b) + r) * width;
          }
          loops_.gather[vectors - 1][blocks.size(b) - 1](
              {1, channels_, from, 0, 0, &first_weight, to, zeros.data(), nullptr, 0});
        }
        for (const Phase& row : row_phases_)
          for (const Phase& column : column_phases_)
            for (int64_t i = 0; i < row.count; ++i)
              add_products(products.get(), width, sample, row, column, i, line.get());
      }
    });
  }

  // Line i of a phase: sums of the products of its pixels.
  void add_products(const float* products, int64_t width, int64_t sample, const Phase& row,
                    const Phase& column, int64_t i, float* line) const {
    constexpr int64_t kWidth = kMostDotColumns;
    for (int64_t j = 0; j < column.count; ++j)
      std::copy_n(start_.data(), kWidth, line + j * kWidth);
    for (const Tap& y : row.taps) {
      const int64_t source_row = row.step * i + y.offset;
      if (source_row < 0 || source_row >= source_.height) continue;
      for (const Tap& x : column.taps) {
        const int64_t from = std::min(std::max<int64_t>(-x.offset, 0), column.count),
                      past = std::clamp<int64_t>(source_.width - x.offset, from, column.count);
        const float* product = products + (source_row * source_.width + from + x.offset) * width +
                               (y.k * weights_.kernel + x.k) * out_.channels;
        for (int64_t j = from; j < past; ++j, product += width)
          for (int64_t c = 0; c < kWidth; ++c) line[j * kWidth + c] += product[c];
      }
    }
    Stored* to = out_.pixel(sample, row.first + row.every * i, column.first);
    if (column.every > 1) {
      for (int64_t j = 0; j < column.count; ++j, to += column.every * out_.channels)
        store_rows<Stored>(line + j * kWidth, 0, 1, out_.channels, &to, 0);
      return;
    }
    for (int64_t j = 1; j < column.count; ++j)
      std::copy_n(line + j * kWidth, kWidth, line + j * out_.channels);
    store_rows<Stored>(line, 0, 1, column.count * out_.channels, &to, 0);
  }

  // The weights with the names of the two channels swapped: "small" are those of the output.
  static WeightsOf<const Stored> swapped(const WeightsOf<const Stored>& weights) {
    WeightsOf<const Stored> out = weights;
    std::swap(out.small, out.large);
    std::swap(out.small_stride, out.large_stride);
    return out;
  }

  const ConvolutionLoops<Unit>& loops_;
  const ImagesOf<const Stored> source_;
  const ImagesOf<Stored> out_;
  const int64_t channels_;  // units of a pixel of the source
  const bool dots_, at_once_;
  const int64_t width_;
  const std::vector<Phase> row_phases_, column_phases_;
  const std::vector<Unit> zeros_;
  std::vector<float> start_;
  const WeightsOf<const Stored> weights_;
  const PackedWeights<Stored, Unit> packed_;
};

// The gradient of the weights: sums of products of pixels over all positions.
//
// The rows of a block of results belong to one image, the columns to the other. For each tap, the
// small image's channels are the rows and the large image's the columns; where the large image's
// channels do not fill a vector, all taps together are the rows and the small image's channels the
// columns. Units join samples, or neighbouring positions.
template <typename Stored, typename Unit>
class WeightGradient {
 public:
  WeightGradient(const ImagesOf<const Stored>& small, const ImagesOf<const Stored>& large,
                 const ConvolutionGeometry& geometry, const WeightsOf<Stored>& gradient)
      : loops_(convolution_loops<Unit>(instruction_set())),
        small_(small),
        large_(large),
        geometry_(geometry),
        gradient_(gradient) {}

  void run() const {
    if (large_.channels < loops_.lanes)
      run_patches();
    else
      run_taps();
  }

 private:
  // Chunks of positions are added in their order, whatever the number of threads.
  static constexpr int64_t kPositions = 256 * kValuesOf<Unit>;
  static constexpr bool kAsTheyLie = std::is_same_v<Stored, Unit>;

  int64_t taps() const { return gradient_.kernel * gradient_.kernel; }

  // The most rows of a block beside panels of so many columns.
  int64_t rows_with(int64_t columns) const {
    return loops_.rows[std::min<int64_t>(divided_up(columns, loops_.lanes), loops_.vectors) - 1];
  }

  struct Range {
    int64_t from, past;
  };
  // The positions i < count of the small image whose pixel step * i + offset lies in the large one.
  Range inside(int64_t count, int64_t k, int64_t size) const {
    const int64_t offset = k - geometry_.padding;
    const int64_t from =
        std::min(divided_up(std::max<int64_t>(-offset, 0), geometry_.stride), count);
    const int64_t past = std::clamp<int64_t>(
        divided_up(std::max<int64_t>(size - offset, 0), geometry_.stride), from, count);
    return {from, past};
  }

  // Stores the sums of the large channels l .. l + count - 1.
  void write(int64_t s, int64_t l, int64_t tap, const float* sums, int64_t count) const {
    Stored* const to = gradient_.data + s * gradient_.small_stride + l * gradient_.large_stride +
                       tap / gradient_.kernel * gradient_.row_stride +
                       tap % gradient_.kernel * gradient_.column_stride;
    if (gradient_.large_stride == 1)
      store_rows<Stored>(sums, 0, 1, count, &to, 0);
    else
      for (int64_t c = 0; c < count; ++c)
        to[c * gradient_.large_stride] = static_cast<Stored>(sums[c]);
  }

  void run_taps() const {
    const bool few = small_.channels <= loops_.few_rows;
    const int64_t most_vectors = few ? loops_.more_vectors : loops_.vectors,
                  width = most_vectors * loops_.lanes, panels = divided_up(large_.channels, width);
    const EvenParts blocks(small_.channels, few ? loops_.few_rows : rows_with(large_.channels));
    const bool by_position = goes_by_position(small_.batch, small_.height, small_.width);
    at::parallel_for(0, taps() * panels, 1, [&](int64_t begin, int64_t end) {
      Scratch<float> sums((end - begin) * small_.channels * width);
      std::fill_n(sums.get(), (end - begin) * small_.channels * width, 0.0F);
      const Tile tile{begin, end, panels, width, blocks, sums.get()};
      if (by_position)
        add_by_position(tile);
      else
        add_by_images(tile);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t tap = task / panels, first = task % panels * width,
                      used = std::min(width, large_.channels - first);
        for (int64_t s = 0; s < small_.channels; ++s)
          write(s, first, tap, tile.of(task, small_.channels, s), used);
      }
    });
  }

  // A thread's part of the results: for each task (tap, panel) sums[small channels, width].
  struct Tile {
    int64_t begin, end, panels, width;
    EvenParts blocks;
    float* sums;

    float* of(int64_t task, int64_t channels, int64_t row) const {
      return sums + ((task - begin) * channels + row) * width;
    }
  };

  void add_by_position(const Tile& tile) const {
    const EvenParts samples(small_.batch, kPositions);
    Scratch<Unit> rows(kPositions * small_.channels), columns(kPositions * tile.width);
    for (int64_t i = 0; i < small_.height; ++i)
      for (int64_t j = 0; j < small_.width; ++j)
        for (int64_t part = 0; part < samples.parts; ++part) {
          const int64_t first = samples.begin(part), count = samples.size(part),
                        units = units_for<Unit>(count);
          for (int64_t b = 0; b < tile.blocks.parts; ++b) {
            const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
            join_rows<Stored, Unit>(
                {small_.pixel(first, i, j) + s, small_.height * small_.width * small_.channels,
                 count, 0, count},
                size, size, size, rows.get() + s * units);
          }
          for (int64_t task = tile.begin; task < tile.end; ++task) {
            const int64_t tap = task / tile.panels, l = task % tile.panels * tile.width;
            const int64_t row = geometry_.stride * i + tap / gradient_.kernel - geometry_.padding,
                          column =
                              geometry_.stride * j + tap % gradient_.kernel - geometry_.padding;
            if (row < 0 || row >= large_.height || column < 0 || column >= large_.width) continue;
            const int64_t used = std::min(tile.width, large_.channels - l),
                          vectors = divided_up(used, loops_.lanes), width = vectors * loops_.lanes;
            join_rows<Stored, Unit>(
                {large_.pixel(first, row, column) + l,
                 large_.height * large_.width * large_.channels, count, 0, count},
                used, width, width, columns.get());
            for (int64_t b = 0; b < tile.blocks.parts; ++b) {
              const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
              const OuterSegment<Unit> all{rows.get() + s * units, columns.get(), units};
              loops_.outer[vectors - 1][size - 1](
                  {&all, 1, size, width, tile.of(task, small_.channels, s), tile.width, true});
            }
          }
        }
  }

  // Images of units as they lie, or of the samples that a unit joins, one after the other.
  void add_by_images(const Tile& tile) const {
    if constexpr (std::is_same_v<Stored, Unit>) {
      add_by_image(tile, small_, large_);
    } else {
      const JoinedSamples<Stored, Unit> of_small(small_), of_large(large_);
      for (int64_t first = 0; first < small_.batch; first += kValuesOf<Unit>)
        add_by_image(tile, of_small.from(first), of_large.from(first));
    }
  }

  // Lines of images. A tap whose pixels lie beside the image leaves positions out.
  void add_by_image(const Tile& tile, const ImagesOf<const Unit>& small,
                    const ImagesOf<const Unit>& large) const {
    const int64_t lines = small.batch * small.height,
                  together = std::max<int64_t>(kPositions / small.width, 1);
    std::vector<OuterSegment<Unit>> segments, shifted;
    const bool whole = large.channels % loops_.lanes == 0;
    Scratch<Unit> columns(whole ? 0 : together * small.width * tile.width);
    for (int64_t line = 0; line < lines; line += together)
      for (int64_t task = tile.begin; task < tile.end; ++task) {
        const int64_t tap = task / tile.panels, l = task % tile.panels * tile.width,
                      y = tap / gradient_.kernel, x = tap % gradient_.kernel;
        const int64_t used = std::min(tile.width, large.channels - l),
                      vectors = divided_up(used, loops_.lanes), width = vectors * loops_.lanes;
        const Range row = inside(small.height, y, large.height),
                    column = inside(small.width, x, large.width);
        segments.clear();
        Unit* copied = columns.get();
        for (int64_t n = line; n < std::min(line + together, lines); ++n) {
          const int64_t sample = n / small.height, i = n % small.height;
          if (i < row.from || i >= row.past || column.from == column.past) continue;
          const Unit* b = large.pixel(sample, geometry_.stride * i + y - geometry_.padding,
                                      geometry_.stride * column.from + x - geometry_.padding) +
                          l;
          const int64_t count = column.past - column.from;
          if (!whole) {
            for (int64_t p = 0; p < count; ++p) {
              std::copy_n(b + p * geometry_.stride * large.channels, used, copied + p * width);
              std::fill(copied + p * width + used, copied + (p + 1) * width, Unit{});
            }
            b = copied;
            copied += count * width;
          }
          segments.push_back({small.pixel(sample, i, column.from), b, count});
        }
        if (segments.empty()) continue;
        for (int64_t b = 0; b < tile.blocks.parts; ++b) {
          const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
          shifted = segments;
          for (OuterSegment<Unit>& segment : shifted) segment.a += s;
          loops_.outer[vectors - 1][size - 1]({shifted.data(), static_cast<int64_t>(shifted.size()),
                                               small.channels,
                                               whole ? geometry_.stride * large.channels : width,
                                               tile.of(task, small.channels, s), tile.width, true});
        }
      }
  }

  // All taps of all channels are the rows; patches are made of some positions at a time.
  void run_patches() const {
    const int64_t width = loops_.vectors * loops_.lanes,
                  panels = divided_up(small_.channels, width), all = taps() * large_.channels;
    const EvenParts blocks(all, rows_with(small_.channels));
    const int64_t lines = small_.batch * small_.height, line_units = units_for<Unit>(small_.width),
                  together = std::max<int64_t>(kPositions / small_.width, 1);
    const bool whole = kAsTheyLie && small_.channels % loops_.lanes == 0;
    // Each thread makes the patches of its rows.
    at::parallel_for(0, blocks.parts, 1, [&](int64_t begin, int64_t end) {
      const int64_t first = blocks.begin(begin),
                    rows = blocks.begin(end - 1) + blocks.size(end - 1) - first;
      Scratch<float> sums(rows * panels * width);
      Scratch<Unit> patches(together * line_units * rows),
          columns(whole ? 0 : together * line_units * width);
      std::vector<Stored> padded(static_cast<std::size_t>(padded_width() * large_.channels));
      std::fill_n(sums.get(), rows * panels * width, 0.0F);
      for (int64_t line = 0; line < lines; line += together) {
        const int64_t past = std::min(line + together, lines), units = (past - line) * line_units;
        for (int64_t n = line; n < past; ++n)
          make_patches(n, first, rows, padded, patches.get() + (n - line) * line_units * rows);
        for (int64_t panel = 0; panel < panels; ++panel) {
          const int64_t s = panel * width, used = std::min(width, small_.channels - s),
                        vectors = divided_up(used, loops_.lanes);
          OuterSegment<Unit> segment{nullptr, columns.get(), units};
          int64_t stride = vectors * loops_.lanes;
          const Stored* from = small_.pixel(0, 0, 0) + line * small_.width * small_.channels + s;
          if constexpr (kAsTheyLie)
            if (used == stride) {
              segment.b = from;
              stride = small_.channels;
            }
          if (segment.b == columns.get())
            for (int64_t n = 0; n < past - line; ++n, from += small_.width * small_.channels)
              join_rows<Stored, Unit>({from, small_.channels, small_.width, 0, small_.width}, used,
                                      stride, stride, columns.get() + n * line_units * stride);
          for (int64_t b = begin; b < end; ++b) {
            const int64_t r = blocks.begin(b) - first;
            segment.a = patches.get() + r;
            loops_.outer[vectors - 1][blocks.size(b) - 1](
                {&segment, 1, rows, stride, sums.get() + (panel * rows + r) * width, width, true});
          }
        }
      }
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t s = 0; s < small_.channels; ++s)
          write(s, (first + r) % large_.channels, (first + r) / large_.channels,
                sums.get() + (s / width * rows + r) * width + s % width, 1);
    });
  }

  // The pixels of a line that the taps of its positions cover, with those around the image.
  int64_t padded_width() const { return geometry_.stride * (small_.width - 1) + gradient_.kernel; }

  // Rows `first` .. first + rows - 1 of the patches of one line of the small images: [units of the
  // line, rows]. Those of one row of the kernel are neighbours in the large image too.
  void make_patches(int64_t line, int64_t first, int64_t rows, std::vector<Stored>& padded,
                    Unit* to) const {
    const int64_t sample = line / small_.height, i = line % small_.height,
                  of_row = gradient_.kernel * large_.channels,
                  past_inside = std::min(padded_width() - geometry_.padding, large_.width);
    for (int64_t y = first / of_row; y * of_row < first + rows; ++y) {
      const int64_t from = std::max(y * of_row, first),
                    past = std::min((y + 1) * of_row, first + rows),
                    row = geometry_.stride * i + y - geometry_.padding;
      std::fill(padded.begin(), padded.end(), Stored(0));
      if (row >= 0 && row < large_.height && past_inside > 0)
        std::copy_n(large_.pixel(sample, row, 0), past_inside * large_.channels,
                    padded.data() + geometry_.padding * large_.channels);
      join_rows<Stored, Unit>({padded.data() + (from - y * of_row),
                               geometry_.stride * large_.channels, small_.width, 0, small_.width},
                              past - from, past - from, rows, to + (from - first));
    }
  }

  const ConvolutionLoops<Unit>& loops_;
  const ImagesOf<const Stored> small_, large_;
  const ConvolutionGeometry geometry_;
  const WeightsOf<Stored> gradient_;
};

constexpr int64_t kFewChannels = 16;

// Calls work(unit) with a value of the type that bfloat16 is multiplied as on this CPU.
template <typename Work>
void with_unit_of_bfloat16(const Work& work) {
  if (bfloat16_products() == Bfloat16Products::rounded)
    work(float{});
  else
    work(Pair{});
}

}  // namespace

void direct_down(const Images& large, const WeightsOf<const float>& weights,
                 const ConvolutionGeometry& geometry, const float* bias,
                 const MutableImages& small) {
  Gathering<float, float>(large, small, weights, false, geometry, bias).run();
}

void direct_up(const Images& small, const WeightsOf<const float>& weights,
               const ConvolutionGeometry& geometry, const float* bias, const MutableImages& large) {
  Gathering<float, float>(small, large, weights, true, geometry, bias).run();
}

void direct_weight_gradient(const Images& small, const Images& large,
                            const ConvolutionGeometry& geometry, const WeightsOf<float>& gradient) {
  WeightGradient<float, float>(small, large, geometry, gradient).run();
}

void direct_down(const ImagesOf<const BFloat16>& large, const WeightsOf<const BFloat16>& weights,
                 const ConvolutionGeometry& geometry, const BFloat16* bias,
                 const ImagesOf<BFloat16>& small) {
  with_unit_of_bfloat16([&]<typename Unit>(Unit) {
    Gathering<BFloat16, Unit>(large, small, weights, false, geometry, bias).run();
  });
}

void direct_up(const ImagesOf<const BFloat16>& small, const WeightsOf<const BFloat16>& weights,
               const ConvolutionGeometry& geometry, const BFloat16* bias,
               const ImagesOf<BFloat16>& large) {
  with_unit_of_bfloat16([&]<typename Unit>(Unit) {
    Gathering<BFloat16, Unit>(small, large, weights, true, geometry, bias).run();
  });
}

void direct_weight_gradient(const ImagesOf<const BFloat16>& small,
                            const ImagesOf<const BFloat16>& large,
                            const ConvolutionGeometry& geometry,
                            const WeightsOf<BFloat16>& gradient) {
  with_unit_of_bfloat16([&]<typename Unit>(Unit) {
    // With stride 1 either image may be the larger one. Where the small one has few channels, the
    // patches are better made of it: each position of the large one meets the mirrored taps.
    const int64_t other_padding = gradient.kernel - 1 - geometry.padding;
    if (std::is_same_v<Unit, Pair> && geometry.stride == 1 && other_padding >= 0 &&
        small.channels < kFewChannels && large.channels >= kFewChannels) {
      ConvolutionGeometry mirrored_geometry = geometry;
      mirrored_geometry.padding = other_padding;
      WeightsOf<BFloat16> mirrored = gradient;
      std::swap(mirrored.small, mirrored.large);
      std::swap(mirrored.small_stride, mirrored.large_stride);
      mirrored.data += (gradient.kernel - 1) * (gradient.row_stride + gradient.column_stride);
      mirrored.row_stride = -gradient.row_stride;
      mirrored.column_stride = -gradient.column_stride;
      WeightGradient<BFloat16, Unit>(large, small, mirrored_geometry, mirrored).run();
      return;
    }
    WeightGradient<BFloat16, Unit>(small, large, geometry, gradient).run();
  });
}

}  // namespace vae_dist::kernels
