// The pictures of a folder in an order that does not depend on the machine, with a class for each
// sub-folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::datasets {

struct PictureFolder {
  std::vector<std::string>
      pictures;  ///< paths inside the folder, sorted byte by byte within their class
  std::vector<std::int64_t>
      labels;  ///< of each picture: its index in `classes`; empty where there are no sub-folders
  std::vector<std::string> classes;  ///< names of the sub-folders with pictures, sorted
  std::int64_t others =
      0;  ///< files that are left out, being neither .jpg, .jpeg nor .png (in any case)
  std::string first_other;
  std::string merged;  ///< an inner folder whose class holds pictures of other folders too,
                       ///< "cats/indoor"; empty: there is none
};

/// What makes a class where sub-folders lie in sub-folders.
enum class ClassFolders {
  outermost,  ///< "cats" of cats/indoor/1.png
  each,       ///< "cats/indoor"
};

/// Lists a folder: pictures in it, or in sub-folders of it at any depth. Hidden names (.DS_Store,
/// ._a.jpg) are passed over; links are followed. Throws BadInput: not a folder, one that cannot be
/// read, a link into a folder around it, no pictures, pictures both beside and inside sub-folders.
PictureFolder list_pictures(const std::string& folder,
                            ClassFolders classes = ClassFolders::outermost);

}  // namespace vae_dist::datasets
