// Lists the pictures of a folder in an order that does not depend on the machine, with a class for
// each sub-folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::datasets {

struct PictureFolder {
  std::vector<std::string>
      pictures;  ///< paths relative to the folder, sorted bytewise within their class
  std::vector<std::int64_t>
      labels;  ///< index in `classes` of each picture; empty if there are no sub-folders
  std::vector<std::string> classes;  ///< names of the sub-folders with pictures, sorted
  std::int64_t others =
      0;  ///< ignored files: neither .jpg, .jpeg nor .png (in upper or lower case)
  std::string first_other;
  std::string merged;  ///< an inner folder whose class also holds pictures of other folders, such
                       ///< as "cats/indoor"; empty if there is none
};

/// Which folder defines the class when sub-folders are nested.
enum class ClassFolders {
  outermost,  ///< "cats" of cats/indoor/1.png
  each,       ///< "cats/indoor"
};

/// Lists the pictures of a folder, either directly in it or in sub-folders at any depth. Skips
/// hidden names (.DS_Store, ._a.jpg) and follows links. Throws BadInput if `folder` is not a
/// folder, if a folder cannot be read, if a link leads to an enclosing folder, if there are no
/// pictures, or if pictures lie both beside and inside sub-folders.
PictureFolder list_pictures(const std::string& folder,
                            ClassFolders classes = ClassFolders::outermost);

}  // namespace vae_dist::datasets
