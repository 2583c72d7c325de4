// Finds the values of datasets that are not stored in their own file alone: external raw files, and
// the sources of virtual datasets. HDF5 silently reads zeros or the fill value if one of these
// files is missing or too short, so all of them are checked before anything is read.
//
// Only code that calls HDF5 includes this header. The caller holds the library's lock.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5/dataset.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::hdf5 {

/// Returns the parts, in order, of a dataset of `bytes` bytes that is stored in external raw files.
/// Throws BadInput if a file is missing or too short.
std::vector<StoredSegment> external_segments(hid_t creation, const std::string& data_file,
                                             std::uint64_t bytes, const std::string& where);

struct VirtualSources {
  std::vector<std::string> files;  ///< all files that values come from, each once
  std::vector<Hdf5Handle> open;    ///< handles that must stay open, so that no source can disappear
                                   ///< while the dataset is read
};

/// Opens all sources of a virtual dataset, including those of sources that are virtual themselves,
/// and makes HDF5 keep them open. `data_file` is the file that holds the dataset. Throws BadInput,
/// naming the file or dataset, if a source is missing or too small, or if the limit on open files
/// is too low.
VirtualSources open_virtual_sources(hid_t dataset, hid_t creation, const std::string& data_file,
                                    const std::string& where);

/// Returns the paths at which HDF5 looks for another file that `data_file` names, in its order.
/// `environment` is the variable that lists more folders ("HDF5_VDS_PREFIX").
std::vector<std::string> candidate_paths(const std::string& name, const std::string& data_file,
                                         const char* environment);

}  // namespace vae_dist::hdf5
