// How samples of the prior compare with real images: density and coverage (coverage.hpp) on pixels
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
    Coverage of_real;  ///< as many other real images against the same ones: what is reached by the
                       ///< data themselves
  };
  std::int64_t samples = 0;  ///< of each kind
  Figures pixels;
  std::optional<Figures> embedding;  ///< absent for images below 8x8 pixels
};

/// Of `count` samples (fewer where `samples` of the dataset hold less than twice as many: each real
/// image is on one side). Real images are spread evenly over `samples`, so a sorted file does no
/// harm. Empty where there are too few for kCoverageNeighbours. Tasks are shared over ranks, with
/// the same bits at any number of them. A collective on a host communicator.
std::optional<SampleQuality> sample_quality(model::LatentModel& model,
                                            const data::SampleDataset& dataset,
                                            data::RowRange samples, const data::InputFormat& format,
                                            std::int64_t count, std::uint64_t seed,
                                            comm::HostCommunicator& host);

}  // namespace vae_dist::evaluate
