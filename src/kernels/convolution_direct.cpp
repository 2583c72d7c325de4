// Convolutions by loops of our own, which read pixels where they lie.
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "kernels/convolution_images.hpp"
#include "kernels/convolution_loops.hpp"
#include "kernels/convolution_phases.hpp"

namespace vae_dist::kernels {
namespace {

using std::int64_t;

// Memory for values that are written before they are read, at the begin of a cache line.
class Scratch {
 public:
  explicit Scratch(int64_t values)
      : data_(static_cast<float*>(::operator new[](
            static_cast<std::size_t>(std::max<int64_t>(values, 1)) * sizeof(float), kLine))) {}
  float* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(float* data) const { ::operator delete[](data, kLine); }
  };
  std::unique_ptr<float[], Free> data_;
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

// The weights of one panel of outputs and one tap lie one after the other, as [channels, outputs]
// or, `by_output`, as [outputs, channels]. The last panel has whole vectors, with zeros beyond the
// outputs.
class PackedWeights {
 public:
  // `weights.small` are the outputs, `weights.large` the channels that are summed.
  PackedWeights(const Weights& weights, int64_t width, bool by_output)
      : channels_(weights.large),
        width_(width),
        kernel_(weights.kernel),
        packed_(divided_up(weights.small, width) * width * taps() * channels_) {
    const int64_t panels = divided_up(weights.small, width);
    at::parallel_for(0, panels * taps(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i / taps() * width, tap = i % taps(),
                      used = std::min(width, weights.small - first);
        const float* const from = weights.data + first * weights.small_stride +
                                  tap / kernel_ * weights.row_stride +
                                  tap % kernel_ * weights.column_stride;
        float* const to = packed_.get() + i * channels_ * width;
        if (by_output)
          pack(from, weights.large_stride, channels_, weights.small_stride, used, to, channels_);
        else
          pack(from, weights.small_stride, used, weights.large_stride, channels_, to,
               panel_width(used));
      }
    });
  }

  const float* of(int64_t panel, int64_t row, int64_t column) const {
    return packed_.get() + (panel * taps() + row * kernel_ + column) * channels_ * width_;
  }

 private:
  static int64_t panel_width(int64_t used) {
    const int64_t lanes = convolution_loops(instruction_set()).lanes;
    return divided_up(used, lanes) * lanes;
  }

  // to[r * width + c] = from[c * column_stride + r * row_stride], with zeros up to the width.
  static void pack(const float* from, int64_t column_stride, int64_t columns, int64_t row_stride,
                   int64_t rows, float* to, int64_t width) {
    if (columns < width) std::fill(to, to + rows * width, 0.0F);
    if (column_stride == 1) {
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(from + r * row_stride, columns, to + r * width);
      return;
    }
    // A cache line of each column at a time.
    constexpr int64_t kLine = 16;
    for (int64_t begin = 0; begin < rows; begin += kLine)
      for (int64_t r = begin; r < std::min(begin + kLine, rows); ++r)
        for (int64_t c = 0; c < columns; ++c)
          to[r * width + c] = from[c * column_stride + r * row_stride];
  }

  int64_t taps() const { return kernel_ * kernel_; }

  int64_t channels_, width_, kernel_;
  Scratch packed_;
};

// Some outputs of a phase, computed together: the pixels that each tap reads for each of them, and
// where they are written. Pixels stay in the cache while the panels of weights pass.
struct Group {
  explicit Group(int64_t most_taps, int64_t most_rows)
      : source(static_cast<std::size_t>(most_taps * most_rows)),
        out(static_cast<std::size_t>(most_rows)),
        stride(most_rows) {}

  std::vector<const float*> source;  // [taps, stride]
  std::vector<float*> out;
  int64_t stride, rows = 0;
  std::vector<std::pair<int64_t, int64_t>> taps;  // row and column of the kernel

  const float** of_tap(std::size_t tap) {
    return source.data() + static_cast<int64_t>(tap) * stride;
  }
};

// A product in which each output gathers from the pixels around it: down or up.
class Gathering {
 public:
  Gathering(const Images& source, const MutableImages& out, const Weights& weights, bool up,
            const ConvolutionGeometry& geometry, const float* bias)
      : loops_(convolution_loops(instruction_set())),
        source_(source),
        out_(out),
        dots_(out.channels <= kMostDotColumns && source.channels % loops_.lanes == 0),
        width_(static_cast<int64_t>(loops_.vectors) * loops_.lanes),
        row_phases_(phases(weights, up, geometry, out.height)),
        column_phases_(phases(weights, up, geometry, out.width)),
        zeros_(static_cast<std::size_t>(source.channels)),
        start_(static_cast<std::size_t>(divided_up(out.channels, width_) * width_)),
        weights_(up ? swapped(weights) : weights),
        packed_(weights_, dots_ ? out.channels : width_, dots_) {
    if (bias) std::copy_n(bias, out_.channels, start_.begin());
  }

  void run() const {
    std::vector<PhasePair> by_image;
    for (const Phase& row : row_phases_)
      for (const Phase& column : column_phases_)
        if (goes_by_position(out_.batch, row.count, column.count))
          run_by_position(row, column);
        else
          by_image.push_back({row, column});
    if (by_image.empty()) return;
    if (out_.batch < at::get_num_threads()) {
      for (const PhasePair& pair : by_image) run_in_parts(pair);
      return;
    }
    // One sample after the other: its phases read the same pixels and write neighbours.
    at::parallel_for(0, out_.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t sample = begin; sample < end; ++sample)
        for (const PhasePair& pair : by_image) {
          const int64_t all = pair.row.count * pair.column.count;
          run_range(pair, sample * all, (sample + 1) * all);
        }
    });
  }

 private:
  struct PhasePair {
    const Phase &row, &column;

    std::size_t taps() const { return row.taps.size() * column.taps.size(); }
  };

  static std::vector<Phase> phases(const Weights& weights, bool up,
                                   const ConvolutionGeometry& geometry, int64_t size) {
    return up ? phases_up(weights.kernel, geometry.stride, geometry.padding, size)
              : phases_down(weights.kernel, geometry.stride, geometry.padding, size);
  }

  // Returns how many outputs form a group.
  int64_t rows_of_group(std::size_t taps) const {
    constexpr int64_t kValues = 96 << 10, kMost = 256;
    const int64_t values = std::max<int64_t>(static_cast<int64_t>(taps) * source_.channels, 1);
    return std::clamp<int64_t>(kValues / values / loops_.rows * loops_.rows, 4 * loops_.rows,
                               kMost / loops_.rows * loops_.rows);
  }

  // The same position of all samples is computed with those taps alone that lie in the image.
  void run_by_position(const Phase& row, const Phase& column) const {
    const int64_t most = std::min(rows_of_group(row.taps.size() * column.taps.size()), out_.batch);
    const EvenParts samples(out_.batch, most);
    at::parallel_for(
        0, row.count * column.count * samples.parts, 1, [&](int64_t begin, int64_t end) {
          Group group(static_cast<int64_t>(row.taps.size() * column.taps.size()), padded(most));
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
                const float** const to = group.of_tap(group.taps.size());
                for (int64_t r = 0; r < group.rows; ++r)
                  to[r] = source_.pixel(first + r, source_row, source_column);
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
  void run_in_parts(const PhasePair& pair) const {
    const int64_t all = out_.batch * pair.row.count * pair.column.count,
                  most = rows_of_group(pair.taps());
    at::parallel_for(0, divided_up(all, most), 1, [&](int64_t begin, int64_t end) {
      run_range(pair, begin * most, std::min(end * most, all));
    });
  }

  // Outputs first .. past - 1 of all positions of a phase in their order, with zeros for the pixels
  // around the image.
  void run_range(const PhasePair& pair, int64_t first, int64_t past) const {
    const auto& [row, column] = pair;
    const EvenParts groups(past - first, rows_of_group(pair.taps()));
    Group group(static_cast<int64_t>(pair.taps()), padded(groups.size(0)));
    for (const Tap& y : row.taps)
      for (const Tap& x : column.taps) group.taps.emplace_back(y.k, x.k);
    for (int64_t unit = 0; unit < groups.parts; ++unit) {
      const int64_t begin = first + groups.begin(unit);
      group.rows = groups.size(unit);
      for (int64_t r = 0; r < group.rows;) {
        const int64_t line = (begin + r) / column.count, j = (begin + r) % column.count;
        const int64_t count = std::min(group.rows - r, column.count - j);
        add_line(group, r, row, column, line / row.count, line % row.count, j, count);
        r += count;
      }
      compute(group);
    }
  }

  // Outputs j .. j + count - 1 of line i of a phase, from row r of the group on.
  void add_line(Group& group, int64_t r, const Phase& row, const Phase& column, int64_t sample,
                int64_t i, int64_t j, int64_t count) const {
    std::size_t tap = 0;
    for (const Tap& y : row.taps) {
      const int64_t source_row = row.step * i + y.offset;
      const bool inside = source_row >= 0 && source_row < source_.height;
      for (const Tap& x : column.taps) {
        const float** const to = group.of_tap(tap++) + r;
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
          const float* const first =
              source_.pixel(sample, source_row, column.step * (j + from) + x.offset);
          const int64_t distance = column.step * source_.channels;
          for (int64_t n = from; n < past; ++n) to[n] = first + (n - from) * distance;
        }
        std::fill(to + past, to + count, zeros_.data());
      }
    }
    float* const first =
        out_.pixel(sample, row.first + row.every * i, column.first + column.every * j);
    for (int64_t n = 0; n < count; ++n)
      group.out[static_cast<std::size_t>(r + n)] = first + n * column.every * out_.channels;
  }

  static int64_t padded(int64_t rows) { return divided_up(rows, kDotRows) * kDotRows; }

  void compute(Group& group) const {
    if (dots_)
      compute_dots(group);
    else
      compute_panels(group);
  }

  void compute_panels(Group& group) const {
    // The weights of a pass over the rows stay in the first cache.
    constexpr int64_t kValues = 6 << 10;
    const auto taps = static_cast<int64_t>(group.taps.size());
    const int64_t channels = source_.channels, most = std::max<int64_t>(kValues / width_, 1);
    const EvenParts pieces(channels, most), together(taps, std::max<int64_t>(most / channels, 1)),
        blocks(group.rows, loops_.rows);
    std::vector<const float*> weight(group.taps.size());
    std::vector<float*> out = group.out;
    Scratch last(out_.channels % width_ == 0 ? 0 : group.rows * width_);
    for (int64_t n = 0; n < out_.channels; n += width_) {
      const int64_t used = std::min(width_, out_.channels - n);
      const int64_t vectors = divided_up(used, loops_.lanes);
      const bool beyond = used < vectors * loops_.lanes;
      if (beyond)
        for (int64_t r = 0; r < group.rows; ++r)
          out[static_cast<std::size_t>(r)] = last.get() + r * width_;
      const auto& loop = loops_.gather[vectors - 1];
      bool begins = true;
      // With no tap in the image there is one empty pass.
      for (int64_t some = 0; some < std::max<int64_t>(together.parts, 1); ++some) {
        const int64_t first = taps == 0 ? 0 : together.begin(some),
                      count = taps == 0 ? 0 : together.size(some);
        for (int64_t piece = 0; piece < pieces.parts; ++piece) {
          const int64_t k = pieces.begin(piece);
          for (int64_t t = 0; t < count; ++t) {
            const auto& [y, x] = group.taps[static_cast<std::size_t>(first + t)];
            weight[static_cast<std::size_t>(t)] =
                packed_.of(n / width_, y, x) + k * vectors * loops_.lanes;
          }
          for (int64_t b = 0; b < blocks.parts; ++b) {
            const int64_t r = blocks.begin(b);
            loop[blocks.size(b) - 1]({count, pieces.size(piece),
                                      group.source.data() + first * group.stride + r, group.stride,
                                      k, weight.data(), out.data() + r, beyond ? 0 : n,
                                      begins ? start_.data() + n : nullptr});
          }
          begins = false;
        }
      }
      if (beyond)
        for (int64_t r = 0; r < group.rows; ++r)
          std::copy_n(last.get() + r * width_, used, group.out[static_cast<std::size_t>(r)] + n);
    }
  }

  void compute_dots(Group& group) const {
    std::vector<const float*> weight;
    for (const auto& [y, x] : group.taps) weight.push_back(packed_.of(0, y, x));
    float unused[kMostDotColumns];
    for (int64_t r = group.rows; r < padded(group.rows); ++r) {
      group.out[static_cast<std::size_t>(r)] = unused;
      for (std::size_t t = 0; t < group.taps.size(); ++t) group.of_tap(t)[r] = zeros_.data();
    }
    for (int64_t r = 0; r < group.rows; r += kDotRows)
      loops_.dot[out_.channels - 1]({static_cast<int64_t>(group.taps.size()), source_.channels,
                                     group.source.data() + r, group.stride, weight.data(),
                                     group.out.data() + r, start_.data()});
  }

  // The weights with the names of the two channels swapped: "small" are those of the output.
  static Weights swapped(const Weights& weights) {
    Weights out = weights;
    std::swap(out.small, out.large);
    std::swap(out.small_stride, out.large_stride);
    return out;
  }

  const ConvolutionLoops& loops_;
  const Images source_;
  const MutableImages out_;
  const bool dots_;
  const int64_t width_;
  const std::vector<Phase> row_phases_, column_phases_;
  const std::vector<float> zeros_;
  std::vector<float> start_;
  const Weights weights_;
  const PackedWeights packed_;
};

// The gradient of the weights: sums of products of pixels over all positions.
//
// The rows of a block of results belong to one image, the columns to the other. For each tap, the
// small image's channels are the rows and the large image's the columns; where the large image's
// channels do not fill a vector, all taps together are the rows and the small image's channels the
// columns.
class WeightGradient {
 public:
  WeightGradient(const Images& small, const Images& large, const ConvolutionGeometry& geometry,
                 const MutableWeights& gradient)
      : loops_(convolution_loops(instruction_set())),
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
  static constexpr int64_t kPositions = 256;

  int64_t taps() const { return gradient_.kernel * gradient_.kernel; }

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

  void write(int64_t s, int64_t l, int64_t tap, float value) const {
    gradient_.data[s * gradient_.small_stride + l * gradient_.large_stride +
                   tap / gradient_.kernel * gradient_.row_stride +
                   tap % gradient_.kernel * gradient_.column_stride] = value;
  }

  void run_taps() const {
    const bool few = small_.channels <= loops_.few_rows;
    const int64_t most_vectors = few ? loops_.more_vectors : loops_.vectors,
                  width = most_vectors * loops_.lanes, panels = divided_up(large_.channels, width);
    const EvenParts blocks(small_.channels, few ? loops_.few_rows : loops_.rows);
    const bool by_position = goes_by_position(small_.batch, small_.height, small_.width);
    at::parallel_for(0, taps() * panels, 1, [&](int64_t begin, int64_t end) {
      Scratch sums((end - begin) * small_.channels * width);
      std::fill_n(sums.get(), (end - begin) * small_.channels * width, 0.0F);
      const Tile tile{begin, end, panels, width, blocks, sums.get()};
      if (by_position)
        add_by_position(tile);
      else
        add_by_image(tile);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t tap = task / panels, first = task % panels * width,
                      used = std::min(width, large_.channels - first);
        const float* from = sums.get() + (task - begin) * small_.channels * width;
        for (int64_t s = 0; s < small_.channels; ++s, from += width)
          for (int64_t l = 0; l < used; ++l) write(s, first + l, tap, from[l]);
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
    Scratch rows(kPositions * small_.channels), columns(kPositions * tile.width);
    for (int64_t i = 0; i < small_.height; ++i)
      for (int64_t j = 0; j < small_.width; ++j)
        for (int64_t part = 0; part < samples.parts; ++part) {
          const int64_t first = samples.begin(part), count = samples.size(part);
          for (int64_t b = 0; b < tile.blocks.parts; ++b) {
            const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
            float* const to = rows.get() + s * count;
            for (int64_t n = 0; n < count; ++n)
              std::copy_n(small_.pixel(first + n, i, j) + s, size, to + n * size);
          }
          for (int64_t task = tile.begin; task < tile.end; ++task) {
            const int64_t tap = task / tile.panels, l = task % tile.panels * tile.width;
            const int64_t row = geometry_.stride * i + tap / gradient_.kernel - geometry_.padding,
                          column =
                              geometry_.stride * j + tap % gradient_.kernel - geometry_.padding;
            if (row < 0 || row >= large_.height || column < 0 || column >= large_.width) continue;
            const int64_t used = std::min(tile.width, large_.channels - l),
                          vectors = divided_up(used, loops_.lanes), width = vectors * loops_.lanes;
            for (int64_t n = 0; n < count; ++n) {
              float* const to = columns.get() + n * width;
              std::copy_n(large_.pixel(first + n, row, column) + l, used, to);
              std::fill(to + used, to + width, 0.0F);
            }
            for (int64_t b = 0; b < tile.blocks.parts; ++b) {
              const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
              const OuterSegment all{rows.get() + s * count, columns.get(), count};
              loops_.outer[vectors - 1][size - 1](
                  {&all, 1, size, width, tile.of(task, small_.channels, s), tile.width, true});
            }
          }
        }
  }

  // Lines of images, as they lie. A tap whose pixels lie beside the image leaves positions out.
  void add_by_image(const Tile& tile) const {
    const int64_t lines = small_.batch * small_.height,
                  together = std::max<int64_t>(kPositions / small_.width, 1);
    std::vector<OuterSegment> segments, shifted;
    const bool whole = large_.channels % loops_.lanes == 0;
    Scratch columns(whole ? 0 : together * small_.width * tile.width);
    for (int64_t line = 0; line < lines; line += together)
      for (int64_t task = tile.begin; task < tile.end; ++task) {
        const int64_t tap = task / tile.panels, l = task % tile.panels * tile.width,
                      y = tap / gradient_.kernel, x = tap % gradient_.kernel;
        const int64_t used = std::min(tile.width, large_.channels - l),
                      vectors = divided_up(used, loops_.lanes), width = vectors * loops_.lanes;
        const Range row = inside(small_.height, y, large_.height),
                    column = inside(small_.width, x, large_.width);
        segments.clear();
        float* copied = columns.get();
        for (int64_t n = line; n < std::min(line + together, lines); ++n) {
          const int64_t sample = n / small_.height, i = n % small_.height;
          if (i < row.from || i >= row.past || column.from == column.past) continue;
          const float* b = large_.pixel(sample, geometry_.stride * i + y - geometry_.padding,
                                        geometry_.stride * column.from + x - geometry_.padding) +
                           l;
          const int64_t count = column.past - column.from;
          if (!whole) {
            for (int64_t p = 0; p < count; ++p) {
              std::copy_n(b + p * geometry_.stride * large_.channels, used, copied + p * width);
              std::fill(copied + p * width + used, copied + (p + 1) * width, 0.0F);
            }
            b = copied;
            copied += count * width;
          }
          segments.push_back({small_.pixel(sample, i, column.from), b, count});
        }
        if (segments.empty()) continue;
        for (int64_t b = 0; b < tile.blocks.parts; ++b) {
          const int64_t s = tile.blocks.begin(b), size = tile.blocks.size(b);
          shifted = segments;
          for (OuterSegment& segment : shifted) segment.a += s;
          loops_.outer[vectors - 1][size - 1](
              {shifted.data(), static_cast<int64_t>(shifted.size()), small_.channels,
               whole ? geometry_.stride * large_.channels : width,
               tile.of(task, small_.channels, s), tile.width, true});
        }
      }
  }

  // All taps of all channels are the rows; patches are made of some positions at a time.
  void run_patches() const {
    const int64_t width = loops_.vectors * loops_.lanes,
                  panels = divided_up(small_.channels, width), all = taps() * large_.channels;
    const EvenParts blocks(all, loops_.rows);
    const int64_t lines = small_.batch * small_.height,
                  together = std::max<int64_t>(kPositions / small_.width, 1);
    // Each thread makes the patches of its rows.
    at::parallel_for(0, blocks.parts, 1, [&](int64_t begin, int64_t end) {
      const int64_t first = blocks.begin(begin),
                    rows = blocks.begin(end - 1) + blocks.size(end - 1) - first;
      Scratch sums(rows * panels * width), patches(together * small_.width * rows),
          columns(small_.channels % loops_.lanes == 0 ? 0 : together * small_.width * width);
      std::fill_n(sums.get(), rows * panels * width, 0.0F);
      for (int64_t line = 0; line < lines; line += together) {
        const int64_t past = std::min(line + together, lines),
                      positions = (past - line) * small_.width;
        for (int64_t n = line; n < past; ++n)
          make_patches(n, first, rows, patches.get() + (n - line) * small_.width * rows);
        for (int64_t panel = 0; panel < panels; ++panel) {
          const int64_t s = panel * width, used = std::min(width, small_.channels - s),
                        vectors = divided_up(used, loops_.lanes);
          const float* from = small_.pixel(0, 0, 0) + line * small_.width * small_.channels + s;
          int64_t stride = small_.channels;
          if (used < vectors * loops_.lanes) {
            stride = vectors * loops_.lanes;
            for (int64_t p = 0; p < positions; ++p) {
              std::copy_n(from + p * small_.channels, used, columns.get() + p * stride);
              std::fill(columns.get() + p * stride + used, columns.get() + (p + 1) * stride, 0.0F);
            }
            from = columns.get();
          }
          for (int64_t b = begin; b < end; ++b) {
            const int64_t r = blocks.begin(b) - first;
            const OuterSegment segment{patches.get() + r, from, positions};
            loops_.outer[vectors - 1][blocks.size(b) - 1](
                {&segment, 1, rows, stride, sums.get() + (panel * rows + r) * width, width, true});
          }
        }
      }
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t s = 0; s < small_.channels; ++s)
          write(s, (first + r) % large_.channels, (first + r) / large_.channels,
                sums.get()[(s / width * rows + r) * width + s % width]);
    });
  }

  // Rows `first` .. first + rows - 1 of the patches of one line of the small images: [width, rows].
  void make_patches(int64_t line, int64_t first, int64_t rows, float* to) const {
    const int64_t sample = line / small_.height, i = line % small_.height;
    for (int64_t r = first; r < first + rows; ++r, ++to) {
      const int64_t tap = r / large_.channels, l = r % large_.channels;
      const int64_t row = geometry_.stride * i + tap / gradient_.kernel - geometry_.padding;
      const Range column = inside(small_.width, tap % gradient_.kernel, large_.width);
      const bool outside = row < 0 || row >= large_.height || column.from == column.past;
      const int64_t from = outside ? small_.width : column.from,
                    past = outside ? small_.width : column.past;
      for (int64_t j = 0; j < from; ++j) to[j * rows] = 0;
      if (!outside) {
        const float* const pixel =
            large_.pixel(sample, row,
                         geometry_.stride * from + tap % gradient_.kernel - geometry_.padding) +
            l;
        for (int64_t j = from; j < past; ++j)
          to[j * rows] = pixel[(j - from) * geometry_.stride * large_.channels];
      }
      for (int64_t j = past; j < small_.width; ++j) to[j * rows] = 0;
    }
  }

  const ConvolutionLoops& loops_;
  const Images small_, large_;
  const ConvolutionGeometry geometry_;
  const MutableWeights gradient_;
};

}  // namespace

void direct_down(const Images& large, const Weights& weights, const ConvolutionGeometry& geometry,
                 const float* bias, const MutableImages& small) {
  Gathering(large, small, weights, false, geometry, bias).run();
}

void direct_up(const Images& small, const Weights& weights, const ConvolutionGeometry& geometry,
               const float* bias, const MutableImages& large) {
  Gathering(small, large, weights, true, geometry, bias).run();
}

void direct_weight_gradient(const Images& small, const Images& large,
                            const ConvolutionGeometry& geometry, const MutableWeights& gradient) {
  WeightGradient(small, large, geometry, gradient).run();
}

}  // namespace vae_dist::kernels
