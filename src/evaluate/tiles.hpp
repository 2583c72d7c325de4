// Whole samples by a model that was trained on crops of them: a sample is cut into tiles of the
// crop's size, and what the model makes of each is put together.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays/sample_layout.hpp"
#include "evaluate/model_pictures.hpp"

namespace vae_dist::evaluate {

/// A part of a sample that the model sees at once.
struct Tile {
  arrays::SpaceWindow window;  ///< what the model sees
  /// Where its result counts: a part of the window. Those of all tiles make up the sample.
  arrays::SpaceWindow kept;
};

/// Returns the tiles of this size that cover `space`. They lie side by side from the beginning; the
/// last one along an axis is moved inwards so that it fits. Where two overlap along an axis, the
/// one whose middle is nearer counts: a network knows least about what lies at the edge of what it
/// sees, and unlike a mean of both this leaves the power spectrum as the model makes it. `size` is
/// at most `space` along each axis.
std::vector<Tile> tiles_of(const std::vector<std::int64_t>& space,
                           const std::vector<std::int64_t>& size);

/// Does the same as reconstruct() for whole samples, [count, C, whole space...], of a dataset whose
/// samples are cropped at random. Tile t of a sample is reconstructed from the mean of its
/// posterior, or from draw t of the sample. A conditional model is told the same about each tile.
Reconstructions reconstruct_by_tiles(model::LatentModel& model, const data::SampleDataset& dataset,
                                     std::int64_t first, std::int64_t count,
                                     const data::InputFormat& format, Latent latent,
                                     std::uint64_t seed);

}  // namespace vae_dist::evaluate
