#include "evaluate/tiles.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/keyed_noise.hpp"
#include "evaluate/read_samples.hpp"
#include "model/evaluation_mode.hpp"

namespace vae_dist::evaluate {
namespace {

// A tile along one axis.
struct Stretch {
  std::int64_t first, kept, past_kept;
};

std::vector<Stretch> stretches_of(std::int64_t space, std::int64_t size) {
  std::vector<Stretch> out;
  for (std::int64_t begin = 0; begin < space; begin += size) {
    const std::int64_t first = std::min(begin, space - size);
    std::int64_t kept = first;
    if (!out.empty()) {
      // The middle of what it shares with the one before.
      kept = (first + out.back().first + size + 1) / 2;
      out.back().past_kept = kept;
    }
    out.push_back({first, kept, space});
  }
  return out;
}

// Reads windows of one sample after the other. A sample that can be decoded alone is decoded once
// for all of its windows.
class WindowReader {
 public:
  explicit WindowReader(const data::SampleDataset& dataset) : dataset_(dataset) {}

  void begin(std::int64_t sample) {
    sample_ = sample;
    const arrays::DecodedRows& rows = dataset_.rows();
    const std::int64_t row = dataset_.samples().row(sample);
    whole_.clear();
    if (dataset_.in_memory() || !(rows.reads_single_rows() || rows.block_of(row).size() == 1))
      return;
    dataset_.finish();  // decides what reading a row delivers
    whole_.resize(rows.image_bytes());
    rows.read(row, 1, whole_, buffers_);
  }

  void read(const arrays::SpaceWindow& window, std::span<std::uint8_t> out) const {
    if (whole_.empty())
      dataset_.read_window(sample_, window, out, 0);
    else
      dataset_.finish_window(whole_, sample_, window, out, 0);
  }

 private:
  const data::SampleDataset& dataset_;
  std::int64_t sample_ = 0;
  std::vector<std::byte> whole_;
  arrays::RowBuffers buffers_;
};

// Copies the part of a tile's values, [C, space...], that counts to its place in the sample.
void place(const at::Tensor& values, const Tile& tile, const at::Tensor& sample) {
  at::Tensor from = values, to = sample;
  for (std::size_t axis = 0; axis < tile.kept.first.size(); ++axis) {
    const auto along = static_cast<std::int64_t>(axis) + 1;
    from =
        from.narrow(along, tile.kept.first[axis] - tile.window.first[axis], tile.kept.size[axis]);
    to = to.narrow(along, tile.kept.first[axis], tile.kept.size[axis]);
  }
  to.copy_(from);
}

}  // namespace

std::vector<Tile> tiles_of(const std::vector<std::int64_t>& space,
                           const std::vector<std::int64_t>& size) {
  std::vector<Tile> tiles(1);
  for (std::size_t axis = 0; axis < space.size(); ++axis) {
    std::vector<Tile> longer;
    for (const Tile& tile : tiles)
      for (const Stretch& stretch : stretches_of(space[axis], size[axis])) {
        longer.push_back(tile);
        longer.back().window.first.push_back(stretch.first);
        longer.back().window.size.push_back(size[axis]);
        longer.back().kept.first.push_back(stretch.kept);
        longer.back().kept.size.push_back(stretch.past_kept - stretch.kept);
      }
    tiles = std::move(longer);
  }
  return tiles;
}

Reconstructions reconstruct_by_tiles(model::LatentModel& model, const data::SampleDataset& dataset,
                                     std::int64_t first, std::int64_t count,
                                     const data::InputFormat& format, Latent latent,
                                     std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  const std::vector<Tile> tiles = tiles_of(dataset.whole_space(), format.shape.space);
  const std::size_t at_once = static_cast<std::size_t>(samples_at_once(format.shape)),
                    tile_bytes = dataset.image_bytes();
  std::vector<std::int64_t> sizes = {count, format.shape.channels};
  sizes.insert(sizes.end(), dataset.whole_space().begin(), dataset.whole_space().end());
  const Reconstructions out{at::empty(sizes, format.type), at::empty(sizes, format.type)};
  WindowReader reader(dataset);
  for (std::int64_t i = 0; i < count; ++i) {
    reader.begin(first + i);
    for (std::size_t done = 0; done < tiles.size(); done += at_once) {
      const std::size_t part = std::min(at_once, tiles.size() - done);
      std::vector<std::uint8_t> stored(part * tile_bytes);
      for (std::size_t t = 0; t < part; ++t)
        reader.read(tiles[done + t].window, std::span(stored).subspan(t * tile_bytes, tile_bytes));
      const std::vector<std::int64_t> same(part, first + i);
      const model::Sample batch = completed(data::model_input(stored, format),
                                            conditions_of(dataset, same, format), format);
      at::Tensor noise;
      if (latent == Latent::sample) {
        std::vector<at::Tensor> draws;
        for (std::size_t t = 0; t < part; ++t)
          draws.push_back(keyed_noise(model, base::Purpose::evaluation, seed, first + i, 1,
                                      static_cast<std::uint32_t>(done + t)));
        noise = at::cat(draws);
      }
      const at::Tensor originals = with_gaps(batch).cpu(),
                       made = reconstructed(model, batch, noise).cpu();
      for (std::size_t t = 0; t < part; ++t) {
        const auto place_of = static_cast<std::int64_t>(t);
        place(originals[place_of], tiles[done + t], out.originals[i]);
        place(made[place_of], tiles[done + t], out.reconstructions[i]);
      }
    }
  }
  return out;
}

}  // namespace vae_dist::evaluate
