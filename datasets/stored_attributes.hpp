// Attributes from one file to another, whatever their types.
//
// For those that hold the library's lock (LibraryCall).
#pragma once

#include <string>
#include <vector>

#include "hdf5/library.hpp"

namespace vae_dist::datasets {

/// Whether bytes of this type mean the same in another file: no text of variable length, no
/// references.
bool is_plain_type(hid_t type);

/// All attributes of an object that refer to nothing in their file; the names of the others.
/// `where` names the object `from` in messages. Throws Failure.
std::vector<std::string> copy_attributes_of(hid_t from, hid_t to, const std::string& where);

}  // namespace vae_dist::datasets
