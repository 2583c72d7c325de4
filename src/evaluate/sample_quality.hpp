// Compares samples of the prior with real images: density and coverage (coverage.hpp) on pixels
// and on a random embedding.
#pragma once

#include <cstdint>
#include <optional>

#include "comm/communicator.hpp"
#include "data/model_input.hpp"
#include "evaluate/coverage.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::evaluate {

struct SampleQuality {
  struct Figures {
    Coverage of_samples;  ///< samples of the prior against the real images
    Coverage of_real;  ///< as many other real images against the same ones: the level that the data
                       ///< themselves reach
  };
  std::int64_t samples = 0;  ///< images of each kind
  Figures pixels;
  std::optional<Figures> embedding;  ///< absent for images below 8x8 pixels
};

/// Compares `count` samples, or fewer if `samples` of the dataset hold less than twice as many,
/// because each real image is on one side only. Real images are spread evenly over `samples`, so a
/// sorted file does no harm. Empty if there are too few for kCoverageNeighbours. Ranks share the
/// tasks; the result has the same bits for any number of ranks. A collective over `all_ranks`.
std::optional<SampleQuality> sample_quality(model::LatentModel& model,
                                            const data::SampleDataset& dataset,
                                            arrays::RowRange samples,
                                            const data::InputFormat& format, std::int64_t count,
                                            std::uint64_t seed, comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::evaluate
