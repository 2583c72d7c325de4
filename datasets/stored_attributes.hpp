// Copies attributes of any type from one HDF5 file to another.
//
// Callers must hold the library's lock (LibraryCall).
#pragma once

#include <string>
#include <vector>

#include "hdf5/library.hpp"

namespace vae_dist::datasets {

/// Returns whether the bytes of this type keep their meaning in another file, that is, the type has
/// no variable-length text and no references.
bool is_plain_type(hid_t type);

/// Copies all attributes of an object that do not refer to objects of their file, and returns the
/// names of the others. `where` names the object `from` in messages. Throws Failure on HDF5 errors.
std::vector<std::string> copy_attributes_of(hid_t from, hid_t to, const std::string& where);

}  // namespace vae_dist::datasets
