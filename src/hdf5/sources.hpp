// Where the values of a dataset lie when they are not in its own file alone: external raw files,
// and the sources of a virtual dataset. HDF5 reads zeros or the fill value where one of them is
// missing or too short, without a word: here each is looked for before anything is read.
//
// For files that call HDF5; the caller holds the library's lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5/dataset.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::hdf5 {

/// The parts of a dataset of `bytes` bytes that is stored in external raw files, in order. Throws
/// BadInput for a file that is missing or ends too early.
std::vector<StoredSegment> external_segments(hid_t creation, const std::string& data_file,
                                             std::uint64_t bytes, const std::string& where);

struct VirtualSources {
  std::vector<std::string> files;  ///< all that values come from, each once
  std::vector<Hdf5Handle>
      open;  ///< what has to stay open, so that no source can get lost while the dataset is read
};

/// Opens all sources of a virtual dataset, those of sources that are virtual themselves too, and
/// makes HDF5 keep them open. `data_file`: the file that holds it. Throws BadInput naming the file
/// or dataset that is missing, too small, or that the limit of open files leaves no room for.
VirtualSources open_virtual_sources(hid_t dataset, hid_t creation, const std::string& data_file,
                                    const std::string& where);

/// The places where HDF5 looks for another file that `data_file` names, in its order.
/// `environment`: the variable with more folders ("HDF5_VDS_PREFIX").
std::vector<std::string> places_of(const std::string& name, const std::string& data_file,
                                   const char* environment);

}  // namespace vae_dist::hdf5
