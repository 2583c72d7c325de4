// A dataset as a person looks at it (`data info`), before anything has been configured.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/sample_dataset.hpp"

namespace vae_dist::input {

/// Opens a dataset as images where that is what it holds. Samples that are no images, that no scale
/// brings to [0, 1], or that have missing values (`has_gaps`) are numbers of any range.
data::SampleDataset open_for_a_look(data::SampleSource source, bool has_gaps);

/// Returns `count` samples that are evenly spaced, so that a dataset sorted by class shows all
/// classes: [count, C, space...], in the values of the file or, if `scaled`, multiplied by the
/// dataset's scale.
at::Tensor spaced_samples(const data::SampleDataset& dataset, std::int64_t count, bool scaled);

}  // namespace vae_dist::input
