// The datasets of a run, as the configuration names them.
#pragma once

#include <optional>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "data/image_dataset.hpp"
#include "evaluate/model_input.hpp"
#include "train/device.hpp"

namespace vae_dist {

/// `key` names the source in messages: "data.train". At most half of the memory that is free, shared among the ranks of the node, is
/// used to hold it decoded; a dataset that does not fit is read row by row, with a warning. Throws BadInput.
ImageDataset open_source(const SourceConfig& source, const std::string& key, int ranks_of_node);

/// How images of `dataset` reach the model.
InputFormat input_format(const Config& config, const ImageDataset& dataset, c10::Device device);

}  // namespace vae_dist
